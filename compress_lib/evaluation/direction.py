"""Direction errors: statistics and histogram of 1 − cos(original row, compressed row)."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.results.target_record import DirectionError

EDGES = (
    0.0,
    *(float(f"{10 ** (step / 8 - 6):.3g}") for step in range(24)),
    *(round(0.001 * step, 3) for step in range(1, 20)),
    *(round(0.005 * step, 3) for step in range(4, 20)),
    *(round(0.01 * step, 2) for step in range(10, 101)),
    2.0,
)
"""Histogram edges shared by all runs: eight per decade below 0.001, where the best methods lie,
and linear above, fine enough to distinguish good methods."""


def summarize(errors: Tensor, counts: Tensor | None = None) -> DirectionError:
    """Return mean and quantiles of direction errors.

    Args:
        errors: 1 − cos of every row, `[rows]`.
        counts: Token counts `[rows]` for the weighted mean, if known.
    """
    ordered = errors.double().sort().values
    weighted = None
    if counts is not None and int(counts.sum()):
        weights = counts.double().cpu()
        weighted = float((errors.double() * weights).sum() / weights.sum())
    return DirectionError(
        mean=float(ordered.mean()),
        p50=_quantile(ordered, 0.5),
        p95=_quantile(ordered, 0.95),
        max=float(ordered[-1]),
        weighted_mean=weighted,
    )


def histogram(errors: Tensor, counts: Tensor | None = None) -> tuple[int, ...]:
    """Return the histogram of direction errors over the shared `EDGES`.

    Args:
        errors: 1 − cos of every row, `[rows]`.
        counts: Weights `[rows]`, such as token counts; 1 for every row if None.
    """
    edges = torch.tensor(EDGES[1:-1])
    bins = torch.bucketize(errors.float(), edges, right=True)
    weights = None if counts is None else counts.double().cpu()
    totals = bins.bincount(weights=weights, minlength=len(EDGES) - 1)
    return tuple(int(value) for value in totals.tolist())


def _quantile(ordered: Tensor, share: float) -> float:
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])
