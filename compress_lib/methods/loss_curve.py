"""What any method would cost at several budgets: compress, and ask the curvature.

Of methods whose factors of every rank are the beginnings of one pair, one pair tells all ranks.
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
"""The budgets that are tried, as shares of the weight's bytes."""


def cache_key(what: str, method: str, options: Mapping[str, object], statistics: Statistics) -> str:
    """Return the name under which something is kept that follows from options and curvature."""
    minds = [kind for kind in CURVATURES if statistics.has(kind)]
    parts = [what, method, *(f"{key}={value}" for key, value in sorted(options.items())), *minds]
    if OUTPUT_GRADIENT not in minds:
        parts.append(f"tokens={TOKEN_SHRINKAGE}")
    return "-".join(parts)


def measure_curve(
    method: Method, weight: Tensor, statistics: Statistics, report: Report
) -> list[OperatingPoint]:
    """Return bytes and estimated loss of what a method makes of a weight; see `Method.curve`.

    A budget in which nothing fits has no point; that leaves none where nothing fits at all.
    """
    name = cache_key("curve", method.name, method.former_values(), statistics)

    def compute() -> dict[str, Tensor]:
        found = _measure(method, weight, statistics, report)
        return {"points": torch.tensor(found, dtype=torch.float64).reshape(-1, 2)}

    kept = statistics.memo(name, compute)["points"].tolist()
    return [OperatingPoint(int(nbytes), loss) for nbytes, loss in kept]


def nested_losses(left: Tensor, right: Tensor, statistics: Statistics) -> list[float]:
    """Return the estimated loss of every rank of factors, from 1 on.

    With Δ = L R of what is left out, ½ tr(G Δ C Δᵀ) = ½ Σ (Lᵀ G L) ∘ (R C Rᵀ) over its pairs.

    Args:
        left: `[rows, k]`.
        right: `[k, cols]`, left @ right being the whole weight.
        statistics: What tells the curvature.
    """
    single = left.float(), right.float()
    total = torch.zeros(left.shape[1], left.shape[1], dtype=torch.float64)
    for term in curvature(statistics).damped().terms:
        rows, cols = (side.to(left.device).float() for side in (term.rows, term.cols))
        outer = single[0].T @ row_side(rows, single[0])
        inner = single[1] @ cols @ single[1].T
        total += 0.5 * (outer * inner).double().cpu()
    # The sum over all pairs from a rank on, for every rank.
    left_out = total.flip(0, 1).cumsum(0).cumsum(1).diagonal().flip(0)
    return [*left_out[1:].clamp_min(0).tolist(), 0.0]


def _measure(
    method: Method, weight: Tensor, statistics: Statistics, report: Report
) -> list[tuple[float, float]]:
    shape = (weight.shape[0], weight.shape[1])
    found: dict[int, float] = {}
    for index, keep in enumerate(KEEPS):
        step = subrange(report, index / len(KEEPS), (index + 1) / len(KEEPS))
        part = with_message(step, f"{method.label}: loss at keep {keep:g}")
        part(Event(0.0, ""))
        budget = int(keep * weight.nbytes)
        try:
            preview = method.preview(shape, budget=budget, itemsize=weight.element_size())
        except BudgetError:
            continue
        if preview.nbytes in found:
            continue
        matrix = method.compress(weight, preview, statistics, part)
        part(Event(0.9, ""))
        found[preview.nbytes] = replacement_loss(matrix, weight, statistics)
    return [(float(nbytes), loss) for nbytes, loss in found.items()]
