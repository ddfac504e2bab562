"""How far rows turn: 1 − cos between each row and its compressed self."""

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
"""Histogram edges that all runs share: fine where good methods are told apart, and below 0.001,
where the best ones are, eight to a power of ten."""


def summarize(errors: Tensor, counts: Tensor | None = None) -> DirectionError:
    """Return mean and quantiles of errors `[rows]`, and the mean weighted by token counts."""
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
    """Count errors `[rows]` between the shared `EDGES`, each once or as often as `counts` say."""
    edges = torch.tensor(EDGES[1:-1])
    bins = torch.bucketize(errors.float(), edges, right=True)
    weights = None if counts is None else counts.double().cpu()
    found = bins.bincount(weights=weights, minlength=len(EDGES) - 1)
    return tuple(int(value) for value in found.tolist())


def _quantile(ordered: Tensor, share: float) -> float:
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])
