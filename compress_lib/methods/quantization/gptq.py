"""GPTQ: quantize column by column and compensate the error in the remaining columns."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.matrices import CompressedMatrix
from compress_lib.methods.linalg import check_finite, lower_root
from compress_lib.methods.quantization.rounding import (
    QuantGrid,
    Scales,
    from_chunks,
    in_chunks,
    round_to_nearest,
)

BLOCK = 64
"""Columns whose errors are accumulated before they are applied to the columns after the block."""

DAMPING = 0.01


def quantize_gptq(
    levels: QuantGrid,
    weight: Tensor,
    moment: Tensor,
    group: int | None = None,
    *,
    damping: float = DAMPING,
) -> CompressedMatrix:
    """Quantize one column after the other and compensate each error in the columns that follow.

    With U the upper Cholesky factor of (C + damping)⁻¹, an error e of column i, in units of
    U[i, i], subtracts e · U[i, j] from every later column j: the least-squares compensation of the
    resulting error of the outputs W x. Columns with the largest inputs come first, while many
    columns remain to compensate for them. Groups keep their original columns, so no order is
    stored, and take their ranges from the original weight.

    Args:
        levels: The grid of values that codes represent.
        weight: `[rows, cols]`, any floating dtype, which is also that of the scales.
        moment: C = E[x xᵀ] `[cols, cols]`. An input that was never active receives no share of any
            error, and its column is rounded to nearest.
        group: Neighbouring columns that share scales; None for whole rows.
        damping: Added to C's diagonal, relative to the mean of the diagonal.

    Raises:
        CompressionError: The weight or C is not finite, or a scale is too large for its dtype.

    Source: Frantar et al. 2022 (GPTQ), arXiv 2210.17323, ordered by C's diagonal.
    """
    check_finite(weight)
    check_finite(moment)
    cols = weight.shape[1]
    group = min(group or cols, cols)
    moment = moment.to(weight.device)
    order = moment.diagonal().argsort(descending=True, stable=True)
    upper = _inverse_factor(moment[order][:, order], damping)
    chunks = [_round_rows(levels, rows, upper, order, group) for rows in in_chunks(weight)]
    return from_chunks(levels, chunks, group, weight.dtype)


def _inverse_factor(moment: Tensor, damping: float) -> Tensor:
    """Return U in float32, upper triangular, with Uᵀ U = (C + damping)⁻¹."""
    # Flipped in both axes, the lower factor is an upper R with R Rᵀ = C + damping, so U = R⁻¹.
    flipped = moment.double().flip(0, 1)
    mean = float(flipped.diagonal().mean())
    identity = torch.eye(len(flipped), dtype=flipped.dtype, device=flipped.device)
    ridge = damping * mean if mean > 0 else 1.0
    factor = lower_root(flipped + ridge * identity)
    upper: Tensor = torch.linalg.solve_triangular(factor.flip(0, 1), identity, upper=True)
    return upper.float()


def _round_rows(
    levels: QuantGrid, rows: Tensor, upper: Tensor, order: Tensor, group: int
) -> tuple[Tensor, Scales]:
    """Return codes `[rows, cols]`, and the scales, each `[rows, groups]`."""
    _, scales = round_to_nearest(levels, rows, group)
    # Transposed, so that each column is contiguous in memory.
    remaining = rows.T[order].float()
    group_scales = [scale.T.contiguous() for scale in scales]
    codes = torch.empty(remaining.shape, dtype=torch.uint8, device=rows.device)
    columns = order.tolist()
    for start in range(0, len(remaining), BLOCK):
        stop = min(start + BLOCK, len(remaining))
        errors = torch.empty_like(remaining[start:stop])
        for index in range(start, stop):
            column = columns[index]
            column_scales = [scale[column // group] for scale in group_scales]
            codes[column] = levels.encode(remaining[index], column_scales)
            error = (remaining[index] - levels.decode(codes[column], column_scales)) / upper[
                index, index
            ]
            errors[index - start] = error
            remaining[index + 1 : stop].addr_(upper[index, index + 1 : stop], error, alpha=-1)
        remaining[stop:].addmm_(upper[start:stop, stop:].T, errors, alpha=-1)
    return codes.T.contiguous(), scales
