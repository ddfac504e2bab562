"""NormalFloat (NF4) quantization: packed codes of normal quantiles, with a scale per group."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import register_form
from compress_lib.matrices.packing import join_bytes, unpack
from compress_lib.matrices.quantized.grouped_codes import GroupedMatrix


@cache
def normal_levels(bits: int) -> Tensor:
    """Return the 2^bits NormalFloat levels, ascending from −1 to 1, in float32.

    Half of the levels are positive quantiles of the normal distribution, one is zero, and the
    others are negative quantiles.

    Source: Dettmers et al. 2023 (QLoRA), arXiv 2305.14314. The tail probability beyond the
    outermost quantile is the mean of 1 ÷ 2^(bits + 1) and 1 ÷ (2^(bits + 1) − 2).
    """
    half = 2 ** (bits - 1)
    tail = (1 / (4 * half) + 1 / (4 * half - 2)) / 2
    # The cached tensor must also be usable in autograd, even if created in inference mode.
    with torch.inference_mode(False), torch.device("cpu"):
        probabilities = [
            torch.linspace(1 - tail, 0.5, count + 1, dtype=torch.float64)[:-1]
            for count in (half - 1, half)
        ]
        below, above = (torch.special.ndtri(side) for side in probabilities)
        levels = torch.cat([-below, below.new_zeros(1), above.flip(0)])
        return (levels / levels.max()).float()


def nearest_level(values: Tensor, bits: int) -> Tensor:
    """Return the uint8 codes of the nearest levels.

    Args:
        values: Values in units of the scale, so in [−1, 1].
        bits: Bits per code.
    """
    levels = normal_levels(bits).to(values.device)
    return torch.bucketize(values, (levels[1:] + levels[:-1]) / 2).to(torch.uint8)


PAIRED = 4
"""Bit width at which a byte holds two codes."""


@cache
def _pairs(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the lookup table of all 256 bytes: the levels of both codes, as one integer."""
    with torch.inference_mode(False), device:
        codes = unpack(torch.arange(256).to(torch.uint8)[:, None], PAIRED, 2)
        return join_bytes(normal_levels(PAIRED).to(device, dtype)[codes.long()])


@register_form
class CodebookMatrix(GroupedMatrix):
    """NormalFloat matrix: packed codes and a scale per group of a row.

    Entry = scale · level[code]; see `GroupedMatrix`. The levels of `normal_levels` are computed,
    not stored.
    """

    name: ClassVar[str] = "codebook"
    scales: ClassVar[tuple[str, ...]] = ("sizes",)

    sizes: nn.Parameter

    def _read_values(self, packed: Tensor, dtype: torch.dtype) -> Tensor:
        if self.bits == PAIRED and dtype.itemsize in (2, 4):
            words = _pairs(dtype, packed.device).index_select(0, packed.flatten().int())
            return words.view(dtype).reshape(len(packed), -1)[:, : self.shape[1]]
        codes = unpack(packed, self.bits, self.shape[1])
        levels = normal_levels(self.bits).to(codes.device, dtype)
        return levels.index_select(0, codes.flatten().int()).view(codes.shape)

    def _apply_scales(self, values: Tensor, shared: Sequence[Tensor]) -> Tensor:
        return values.mul_(shared[0])
