"""Codes of values that lie as a normal distribution does, and a scale for every group of a row."""

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
    """Return the 2^bits levels of a normal distribution, from −1 over 0 to 1, in float32.

    Half of them are quantiles above zero, one less are quantiles below, and one is zero itself.

    Source: Dettmers et al. 2023 (QLoRA), arXiv 2305.14314, whose outermost quantile leaves the
    mean of 1 ÷ 2^(bits + 1) and 1 ÷ (2^(bits + 1) − 2) beyond it.
    """
    half = 2 ** (bits - 1)
    beyond = (1 / (4 * half) + 1 / (4 * half - 2)) / 2
    # Made once, and maybe where no gradients are known: what is kept must serve everywhere.
    with torch.inference_mode(False), torch.device("cpu"):
        shares = [
            torch.linspace(1 - beyond, 0.5, count + 1, dtype=torch.float64)[:-1]
            for count in (half - 1, half)
        ]
        below, above = (torch.special.ndtri(some) for some in shares)
        levels = torch.cat([-below, below.new_zeros(1), above.flip(0)])
        return (levels / levels.max()).float()


def nearest_level(values: Tensor, bits: int) -> Tensor:
    """Return the uint8 codes of the levels nearest to values."""
    levels = normal_levels(bits).to(values.device)
    return torch.bucketize(values, (levels[1:] + levels[:-1]) / 2).to(torch.uint8)


PAIRED = 4
"""The bits of which a byte holds two codes."""


@cache
def _pairs(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return for every byte the levels of its two codes, as one number."""
    with torch.inference_mode(False), device:
        codes = unpack(torch.arange(256).to(torch.uint8)[:, None], PAIRED, 2)
        return join_bytes(normal_levels(PAIRED).to(device, dtype)[codes.long()])


@register_form
class CodebookMatrix(GroupedMatrix):
    """Stores packed codes, and a scale for every group of a row.

    Entry = scale · level[code]; see `GroupedMatrix`. The levels are those of `normal_levels`,
    which are computed and not stored.
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
