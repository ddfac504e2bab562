"""Rounding column by column, where later columns make up for the errors of earlier ones."""

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
"""Columns whose errors are collected before they reach the columns after them."""

DAMPING = 0.01


def quantize_gptq(
    levels: QuantGrid,
    weight: Tensor,
    moment: Tensor,
    group: int | None = None,
    *,
    damping: float = DAMPING,
) -> CompressedMatrix:
    """Round one column after the other; what it is off by is made up for by those that follow.

    With U the upper Cholesky factor of (C + damping)⁻¹, an error e of column i, in units of
    U[i, i], takes e · U[i, j] from every later column j: the least-squares answer to the error
    that the outputs W x would have. Columns whose inputs are largest come first, while there are
    many that can make up for them. Groups keep their columns, so that no order is stored, and
    take their ranges from the weight as it was.

    Args:
        levels: What codes stand for.
        weight: `[rows, cols]`, any floating type, which is that of scales as well.
        moment: C = E[x xᵀ] `[cols, cols]`. An input that was never seen gets no part of any
            error, and its column is rounded to nearest.
        group: Neighbouring columns that share scales; None for whole rows.
        damping: What is added to C's diagonal, as a share of its mean.

    Raises:
        CompressionError: The weight or C is not finite, or a scale is too large for its type.

    Source: Frantar et al. 2022 (GPTQ), arXiv 2210.17323, with the order by C's diagonal.
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
    # Turned end for end, the lower factor is an upper one R with R Rᵀ = C + damping, so U = R⁻¹.
    wide = moment.double().flip(0, 1)
    mean = float(wide.diagonal().mean())
    one = torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
    added = damping * mean if mean > 0 else 1.0
    factor = lower_root(wide + added * one)
    upper: Tensor = torch.linalg.solve_triangular(factor.flip(0, 1), one, upper=True)
    return upper.float()


def _round_rows(
    levels: QuantGrid, rows: Tensor, upper: Tensor, order: Tensor, group: int
) -> tuple[Tensor, Scales]:
    """Return codes `[rows, cols]`, and each of the scales `[rows, groups]`."""
    _, scales = round_to_nearest(levels, rows, group)
    # Columns are rows here, because memory is read row by row.
    left = rows.T[order].float()
    shared = [scale.T.contiguous() for scale in scales]
    codes = torch.empty(left.shape, dtype=torch.uint8, device=rows.device)
    columns = order.tolist()
    for start in range(0, len(left), BLOCK):
        stop = min(start + BLOCK, len(left))
        errors = torch.empty_like(left[start:stop])
        for index in range(start, stop):
            column = columns[index]
            own = [scale[column // group] for scale in shared]
            codes[column] = levels.encode(left[index], own)
            error = (left[index] - levels.decode(codes[column], own)) / upper[index, index]
            errors[index - start] = error
            left[index + 1 : stop].addr_(upper[index, index + 1 : stop], error, alpha=-1)
        left[stop:].addmm_(upper[start:stop, stop:].T, errors, alpha=-1)
    return codes.T.contiguous(), scales
