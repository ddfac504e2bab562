"""Rate-distortion curve of a method: compress at several budgets and estimate each loss increase.

Methods with nested factors need one decomposition for all ranks.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from compress_lib.errors import BudgetError
from compress_lib.methods import Method
from compress_lib.methods.curvature import curvature, replacement_loss
from compress_lib.methods.linalg import row_side
from compress_lib.methods.rate_distortion import OperatingPoint
from compress_lib.methods.statistics import CURVATURES, OUTPUT_GRADIENT, TOKEN_SHRINKAGE, Statistics
from compress_lib.utils.progress import Event, Report, subrange, with_message

KEEPS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The budgets tried, as shares of the weight's bytes."""


def cache_key(what: str, method: str, options: Mapping[str, object], statistics: Statistics) -> str:
    """Return the cache key of a result that depends on options and curvature.

    Args:
        what: The kind of result.
        method: Registry name.
        options: Values by option name of version 0.1.0.
        statistics: Their available curvature fields are part of the key.
    """
    curvatures = [kind for kind in CURVATURES if statistics.has(kind)]
    parts = [
        what,
        method,
        *(f"{key}={value}" for key, value in sorted(options.items())),
        *curvatures,
    ]
    if OUTPUT_GRADIENT not in curvatures:
        parts.append(f"tokens={TOKEN_SHRINKAGE}")
    return "-".join(parts)


def measure_curve(
    method: Method, weight: Tensor, statistics: Statistics, report: Report
) -> list[OperatingPoint]:
    """Return operating points of a weight compressed at each of `KEEPS`; see `Method.curve`.

    Budgets below the method's minimum are skipped, so the curve can be empty.

    Args:
        method: The method to measure.
        weight: `[rows, cols]`.
        statistics: See `Method.curve`.
        report: Progress callback; may raise `StoppedError`.
    """
    name = cache_key("curve", method.name, method.former_values(), statistics)

    def compute() -> dict[str, Tensor]:
        measured = _measure(method, weight, statistics, report)
        return {"points": torch.tensor(measured, dtype=torch.float64).reshape(-1, 2)}

    points = statistics.memo(name, compute)["points"].tolist()
    return [OperatingPoint(int(nbytes), loss) for nbytes, loss in points]


def nested_losses(left: Tensor, right: Tensor, statistics: Statistics) -> list[float]:
    """Return the estimated loss increase of truncating nested factors at every rank, from 1 on.

    With Δ = L R over the dropped pairs, ½ tr(G Δ C Δᵀ) = ½ Σ (Lᵀ G L) ∘ (R C Rᵀ).

    Args:
        left: `[rows, k]`.
        right: `[k, cols]`; left @ right is the full weight.
        statistics: The fields named by `statistics.curvature_needs`.
    """
    factors32 = left.float(), right.float()
    total = torch.zeros(left.shape[1], left.shape[1], dtype=torch.float64)
    for term in curvature(statistics).damped().terms:
        rows, cols = (side.to(left.device).float() for side in (term.rows, term.cols))
        outer = factors32[0].T @ row_side(rows, factors32[0])
        inner = factors32[1] @ cols @ factors32[1].T
        total += 0.5 * (outer * inner).double().cpu()
    # For every rank, sum over all pairs of components from that rank on.
    dropped = total.flip(0, 1).cumsum(0).cumsum(1).diagonal().flip(0)
    return [*dropped[1:].clamp_min(0).tolist(), 0.0]


def _measure(
    method: Method, weight: Tensor, statistics: Statistics, report: Report
) -> list[tuple[float, float]]:
    shape = (weight.shape[0], weight.shape[1])
    losses: dict[int, float] = {}
    for index, keep in enumerate(KEEPS):
        step = subrange(report, index / len(KEEPS), (index + 1) / len(KEEPS))
        part = with_message(step, f"{method.label}: estimating the loss at keep {keep:g}")
        part(Event(0.0, ""))
        budget = int(keep * weight.nbytes)
        try:
            preview = method.preview(shape, budget=budget, itemsize=weight.element_size())
        except BudgetError:
            continue
        if preview.nbytes in losses:
            continue
        matrix = method.compress(weight, preview, statistics, part)
        part(Event(0.9, ""))
        losses[preview.nbytes] = replacement_loss(matrix, weight, statistics)
    return [(float(nbytes), loss) for nbytes, loss in losses.items()]
