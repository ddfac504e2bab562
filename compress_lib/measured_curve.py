"""What any method would cost at several budgets: compress, and ask the curvature."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.calibration import CURVATURES, OUTPUT_GRADIENT, TOKEN_SHRINKAGE, Statistics
from compress_lib.curvature import replacement_loss
from compress_lib.errors import BudgetError
from compress_lib.loss_curves import Point
from compress_lib.methods import Method
from compress_lib.progress import Progress

KEEPS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The budgets that are tried, as shares of the weight's bytes."""


def measured_curve(
    method: Method, weight: Tensor, statistics: Statistics, progress: Progress
) -> list[Point]:
    """Return bytes and estimated loss of what a method makes of a weight; see `Method.curve`.

    A budget in which nothing fits has no point; that leaves none where nothing fits at all.
    """
    options = sorted(method.option_values().items())
    minds = [kind for kind in CURVATURES if statistics.has(kind)]
    parts = ["curve", method.name, *(f"{key}={value}" for key, value in options), *minds]
    if OUTPUT_GRADIENT not in minds:
        parts.append(f"tokens={TOKEN_SHRINKAGE}")
    name = "-".join(parts)

    def compute() -> dict[str, Tensor]:
        found = _measure(method, weight, statistics, progress)
        return {"points": torch.tensor(found, dtype=torch.float64).reshape(-1, 2)}

    kept = statistics.memo(name, compute)["points"].tolist()
    return [Point(int(nbytes), loss) for nbytes, loss in kept]


def _measure(
    method: Method, weight: Tensor, statistics: Statistics, progress: Progress
) -> list[tuple[float, float]]:
    shape = (weight.shape[0], weight.shape[1])
    found: dict[int, float] = {}
    for index, keep in enumerate(KEEPS):
        progress(index / len(KEEPS), f"{method.label}: loss at keep {keep:g}")
        budget = int(keep * weight.nbytes)
        try:
            nbytes = method.preview(shape, budget=budget, itemsize=weight.element_size()).nbytes
        except BudgetError:
            continue
        if nbytes in found:
            continue
        matrix = method.compress(weight, budget=budget, statistics=statistics)
        found[nbytes] = replacement_loss(matrix, weight, statistics)
    return [(float(nbytes), loss) for nbytes, loss in found.items()]
