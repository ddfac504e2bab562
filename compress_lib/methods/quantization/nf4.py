"""NF4 (NormalFloat): 4-bit codes for normally distributed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import register
from compress_lib.methods.quantization.base import (
    MINMAX,
    MSE,
    GroupQuantization,
    former_refinements,
    range_option,
)
from compress_lib.utils.options import FormerOptions

if TYPE_CHECKING:
    from compress_lib.methods.quantization.rounding import QuantGrid


@register
@dataclass(frozen=True, kw_only=True)
class NF4(GroupQuantization):
    """Quantization to 16 quantiles of a normal distribution, scaled by a group's absolute maximum.

    Source: Dettmers et al. 2023 (QLoRA), arXiv 2305.14314; the scales are not quantized again.
    """

    name: ClassVar[str] = "nf4"
    label: ClassVar[str] = "NF4"
    summary: ClassVar[str] = (
        "4-bit quantization to the quantiles of a normal distribution (NormalFloat), with a scale "
        "per group."
    )
    paper: ClassVar[str] = "Dettmers et al. 2023 (QLoRA)"
    bits: ClassVar[int] = 4

    former_options: ClassVar[FormerOptions] = former_refinements(MINMAX, MSE)

    range: str = range_option(MINMAX, (MINMAX, MSE))

    def levels(self) -> QuantGrid:
        """See `GroupQuantization.levels`."""
        from compress_lib.methods.quantization.rounding import NormalFloatGrid

        return NormalFloatGrid(self.bits, self.range)
