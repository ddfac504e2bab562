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
    """Reconstruction error of a matrix, per row and in total.

    Attributes:
        direction: `[rows]`, 1 − cos; 0 where both rows are zero, 1 where only one is.
        control: `[rows]`, direction error of random noise with the same norm as the row's error.
        relative: ‖W − Ŵ‖ ÷ ‖W‖ (Frobenius norms).
        squared_norm: ‖W‖² (Frobenius norm).
        rmse: Root mean squared error of the entries.
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
    """Return the reconstruction error of a compressed weight, computed in chunks of rows.

    Args:
        weight: `[rows, cols]`.
        matrix: The compressed weight, of the same shape.
        seed: Seed of the control noise.
        control: Whether to compute the control; if not, it is empty.
    """
    direction: list[Tensor] = []
    control_direction: list[Tensor] = []
    squared_error = squared_norm = absolute = powered = 0.0
    with torch.inference_mode():
        for first in range(0, weight.shape[0], CHUNK):
            rows = weight[first : first + CHUNK].float()
            ids = torch.arange(first, first + len(rows), device=weight.device)
            decoded = matrix.lookup(ids).float()
            entries = (rows - decoded).abs()
            error = entries.norm(dim=1)
            # float32 is accurate enough for sums over a row, but not over all rows.
            squared_error += float(error.double().square().sum())
            squared_norm += float(rows.norm(dim=1).double().square().sum())
            absolute += float(entries.sum(dim=1).double().sum())
            powered += float(entries.pow_(POWER).sum(dim=1).double().sum())
            direction.append(direction_error(rows, decoded))
            if not control:
                continue
            noise = _unit_noise(len(rows), rows.shape[1], seed + first).to(rows.device)
            control_direction.append(direction_error(rows, rows + noise * error[:, None]))
    relative = (squared_error / squared_norm) ** 0.5 if squared_norm else 0.0
    size = weight.numel()
    return RowErrors(
        torch.cat(direction).cpu(),
        torch.cat(control_direction).cpu() if control_direction else torch.empty(0),
        relative,
        squared_norm,
        rmse=(squared_error / size) ** 0.5,
        mae=absolute / size,
        powered_mae=powered / size,
    )


@lru_cache(maxsize=2)
def _unit_noise(rows: int, cols: int, seed: int) -> Tensor:
    """Return random unit rows `[rows, cols]`, cached because layers share their shapes."""
    noise = torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed))
    unit: Tensor = noise / noise.norm(dim=1, keepdim=True).clamp_min(1e-30)
    return unit


def direction_error(original: Tensor, changed: Tensor) -> Tensor:
    """Return the direction error 1 − cos of each pair of rows, `[rows]` in [0, 2].

    Computed as half the squared distance of the unit rows, which is accurate even if the cosine
    is close to 1.

    Args:
        original: `[rows, cols]`.
        changed: `[rows, cols]`.
    """
    a, b = original.norm(dim=1), changed.norm(dim=1)
    unit_a = original / a.clamp_min(1e-30)[:, None]
    unit_b = changed / b.clamp_min(1e-30)[:, None]
    error = (unit_a - unit_b).square().sum(dim=1) / 2
    one_is_zero, both_are_zero = (a == 0) ^ (b == 0), (a == 0) & (b == 0)
    defined: Tensor = error.masked_fill(one_is_zero, 1.0).masked_fill(both_are_zero, 0.0)
    return defined
