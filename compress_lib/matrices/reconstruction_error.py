"""Reconstruction error of a compressed matrix: row directions, relative and absolute errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from compress_lib.matrices import CompressedMatrix

CHUNK = 8192
"""Rows decoded at once."""


POWER = 0.6
"""The exponent of the powered mean absolute error."""


@dataclass(frozen=True)
class RowErrors:
    """What compression did to each row.

    Attributes:
        direction: `[rows]`, 1 − cos; 0 where both rows are zero, 1 where only one is.
        control: `[rows]`, the same for random noise with the norm of the row's own error.
        relative: ‖W − Ŵ‖ ÷ ‖W‖ of the whole matrix (Frobenius norms).
        squared_norm: ‖W‖² of the whole matrix.
        rmse: Root of the mean squared error of the entries.
        mae: Mean absolute error of the entries.
        powered_mae: Mean of |error| ^ `POWER`. Source: Banaei et al. 2023, arXiv 2302.04045.
    """

    direction: Tensor
    control: Tensor
    relative: float
    squared_norm: float
    rmse: float
    mae: float
    powered_mae: float


def row_errors(
    weight: Tensor, matrix: CompressedMatrix, seed: int = 0, *, control: bool = True
) -> RowErrors:
    """Compare a weight with its compressed form, by chunks of rows.

    Args:
        weight: `[rows, cols]`.
        matrix: The same shape.
        seed: For the control's noise.
        control: Whether the control is wanted; it is empty if not.
    """
    direction: list[Tensor] = []
    noisy: list[Tensor] = []
    lost = total = absolute = powered = 0.0
    with torch.inference_mode():
        for first in range(0, weight.shape[0], CHUNK):
            rows = weight[first : first + CHUNK].float()
            ids = torch.arange(first, first + len(rows), device=weight.device)
            decoded = matrix.lookup(ids).float()
            entries = (rows - decoded).abs()
            error = entries.norm(dim=1)
            # Sums of rows are wide enough; only those of many rows need more digits.
            lost += float(error.double().square().sum())
            total += float(rows.norm(dim=1).double().square().sum())
            absolute += float(entries.sum(dim=1).double().sum())
            powered += float(entries.pow_(POWER).sum(dim=1).double().sum())
            direction.append(direction_error(rows, decoded))
            if not control:
                continue
            noise = _unit_noise(len(rows), rows.shape[1], seed + first).to(rows.device)
            noisy.append(direction_error(rows, rows + noise * error[:, None]))
    relative = (lost / total) ** 0.5 if total else 0.0
    size = weight.numel()
    return RowErrors(
        torch.cat(direction).cpu(),
        torch.cat(noisy).cpu() if noisy else torch.empty(0),
        relative,
        total,
        rmse=(lost / size) ** 0.5,
        mae=absolute / size,
        powered_mae=powered / size,
    )


@lru_cache(maxsize=2)
def _unit_noise(rows: int, cols: int, seed: int) -> Tensor:
    """Return rows `[rows, cols]` of random directions: kept, for a model's layers are alike."""
    noise = torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed))
    unit: Tensor = noise / noise.norm(dim=1, keepdim=True).clamp_min(1e-30)
    return unit


def direction_error(original: Tensor, changed: Tensor) -> Tensor:
    """Return 1 − cos for each pair of rows of `[rows, cols]`, as `[rows]` in [0, 2].

    Computed as half the squared distance of the unit rows, which keeps its digits where the
    cosine is close to one.
    """
    a, b = original.norm(dim=1), changed.norm(dim=1)
    unit_a = original / a.clamp_min(1e-30)[:, None]
    unit_b = changed / b.clamp_min(1e-30)[:, None]
    error = (unit_a - unit_b).square().sum(dim=1) / 2
    one_is_zero, both_are = (a == 0) ^ (b == 0), (a == 0) & (b == 0)
    found: Tensor = error.masked_fill(one_is_zero, 1.0).masked_fill(both_are, 0.0)
    return found
