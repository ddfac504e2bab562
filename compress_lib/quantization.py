"""Rounding to nearest that quantizing methods share."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.factorization import check_finite
from compress_lib.matrices.base import CHUNK
from compress_lib.matrices.quantized import QuantizedMatrix

SAME_SIZE = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def quantize(weight: Tensor, bits: int, group: int | None = None) -> QuantizedMatrix:
    """Round every entry to the nearest of 2^bits evenly spaced values of its group.

    The values reach from the group's smallest entry to its largest. Steps and minima are rounded
    to the weight's type before the codes are chosen, so that the codes make up for it: no entry
    of a group that has zero in its range is off by more than half a step.

    Args:
        weight: `[rows, cols]`, any floating type, which is that of steps and minima as well.
        bits: 1 to 8.
        group: Neighbouring columns that share a step and a minimum; None for whole rows.

    Raises:
        CompressionError: The weight is not finite, or a step is too large for its type.
    """
    check_finite(weight)
    group = group or weight.shape[1]
    parts = [_quantize_rows(rows, bits, group) for rows in weight.split(CHUNK)]
    codes, steps, minima = (torch.cat(part) for part in zip(*parts, strict=True))
    return QuantizedMatrix.from_codes(
        codes, steps, minima, bits=bits, group=group, dtype=weight.dtype
    )


def _quantize_rows(rows: Tensor, bits: int, group: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes `[rows, cols]`, and steps and minima `[rows, groups]`."""
    cols, levels = rows.shape[1], 2**bits - 1
    # The last column fills the last group up, which changes neither its ends nor its codes.
    filler = rows[:, -1:].expand(-1, -cols % group)
    grouped = torch.cat([rows, filler], dim=1).float().unflatten(1, (-1, group))
    low, high = grouped.aminmax(dim=-1)
    low = low.to(rows.dtype).float()
    steps = ((high - low).clamp_min(0) / levels).to(rows.dtype)
    # Among the tiniest numbers of a type rounding can take much of a step, or all of it.
    short = low + steps.float() * (levels + 0.5) < high
    bits_of_steps = steps.view(SAME_SIZE[steps.element_size()])
    steps = (bits_of_steps + short.to(bits_of_steps.dtype)).view(rows.dtype)
    wide = steps.float()
    codes = (grouped - low[..., None]) / wide.where(wide > 0, 1.0)[..., None]
    codes = codes.round().clamp(0, levels).to(torch.uint8)
    return codes.flatten(1)[:, :cols], steps, low
