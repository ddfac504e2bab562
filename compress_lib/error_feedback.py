"""Rounding column by column, where later columns make up for the errors of earlier ones."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.factorization import check_finite
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.quantized import QuantizedMatrix
from compress_lib.quantization import Levels, Scales, UniformLevels, from_chunks, in_chunks

BLOCK = 64
"""Columns whose errors are collected before they reach the columns after them."""

DAMPING = 0.01


def quantize_with_feedback(
    weight: Tensor,
    moment: Tensor,
    bits: int,
    group: int | None = None,
    *,
    minimum: bool = True,
    refine: str = "mse",
    damping: float = DAMPING,
) -> QuantizedMatrix:
    """Round to 2^bits evenly spaced values a group, with little error of the layer's outputs.

    Args:
        weight: `[rows, cols]`, any floating type, which is that of steps and minima as well.
        moment: C = E[x xᵀ] `[cols, cols]` of the layer's inputs.
        bits: 1 to 8.
        group: Neighbouring columns that share a step and a minimum; None for whole rows.
        minimum: Whether groups store one; without, values lie around zero.
        refine: How a group's range is chosen, see `UniformLevels`.
        damping: See `feedback`.

    Raises:
        CompressionError: The weight is not finite, or a step is too large for its type.
    """
    levels = UniformLevels(bits, minimum, refine)
    found = feedback(levels, weight, moment, group, damping=damping)
    assert isinstance(found, QuantizedMatrix)
    return found


def feedback(
    levels: Levels,
    weight: Tensor,
    moment: Tensor,
    group: int | None = None,
    *,
    damping: float = DAMPING,
) -> CompressedMatrix:
    """Round one column after the other; what it is off by is made up for by those that follow.

    With U the upper Cholesky factor of (C + damping)⁻¹, an error e of column i, in units of
    U[i, i], takes e · U[i, j] from every later column j: the least-squares answer to the error
    that the outputs W x would have. A group's range is that of its columns as they are by then.

    Args:
        levels: What codes stand for.
        weight: `[rows, cols]`, any floating type, which is that of scales as well.
        moment: C = E[x xᵀ] `[cols, cols]`. An input that was never seen gets no part of any
            error, and its column is rounded to nearest.
        group: Neighbouring columns that share scales; None for whole rows.
        damping: What is added to C's diagonal, as a share of its mean.

    Raises:
        CompressionError: The weight is not finite, or a scale is too large for its type.

    Source: Frantar et al. 2022 (GPTQ), arXiv 2210.17323, in the columns' natural order.
    """
    check_finite(weight)
    cols = weight.shape[1]
    group = min(group or cols, cols)
    upper = _inverse_factor(moment.to(weight.device), damping)
    chunks = [_round_rows(levels, rows, upper, group) for rows in in_chunks(weight)]
    return from_chunks(levels, chunks, group, weight.dtype)


def _inverse_factor(moment: Tensor, damping: float) -> Tensor:
    """Return U in float32, upper triangular, with Uᵀ U = (C + damping)⁻¹."""
    wide = moment.double()
    mean = float(wide.diagonal().mean())
    # Sums of float32 products may leave C a little less than positive.
    added = damping * mean if mean > 0 else 1.0
    while True:
        damped = wide + added * torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if not failed:
            break
        added *= 10
    inverse = torch.cholesky_inverse(factor)
    upper: Tensor = torch.linalg.cholesky((inverse + inverse.T) / 2, upper=True)
    return upper.float()


def _round_rows(levels: Levels, rows: Tensor, upper: Tensor, group: int) -> tuple[Tensor, Scales]:
    """Return codes `[rows, cols]`, and each of the scales `[rows, groups]`."""
    cols = rows.shape[1]
    # Columns are rows here, because memory is read row by row.
    left = rows.T.float().contiguous()
    codes = torch.empty(left.shape, dtype=torch.uint8, device=rows.device)
    found: list[Scales] = []
    scales: Scales = []
    for start, stop in _blocks(cols, group):
        errors = torch.empty_like(left[start:stop])
        for index in range(start, stop):
            if index % group == 0:
                scales = levels.fit(left[index : index + group].T.contiguous(), rows.dtype)
                found.append(scales)
            codes[index] = levels.encode(left[index], scales)
            error = (left[index] - levels.decode(codes[index], scales)) / upper[index, index]
            errors[index - start] = error
            left[index + 1 : stop].addr_(upper[index, index + 1 : stop], error, alpha=-1)
        left[stop:].addmm_(upper[start:stop, stop:].T, errors, alpha=-1)
    stacked = [torch.stack(parts, 1) for parts in zip(*found, strict=True)]
    return codes.T.contiguous(), stacked


def _blocks(cols: int, group: int) -> list[tuple[int, int]]:
    """Return where blocks begin and end; a group begins with a block, or lies within one."""
    run = max(1, BLOCK // group) * group
    return [
        (start, min(start + BLOCK if group > BLOCK else end, end))
        for first in range(0, cols, run)
        for end in [min(first + run, cols)]
        for start in (range(first, end, BLOCK) if group > BLOCK else (first,))
    ]
