"""Two-bit codes: 4 evenly spaced values for a group of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compress_lib.methods.base import register
from compress_lib.methods.group_quantization import UniformQuantization


@register
@dataclass(frozen=True, kw_only=True)
class Int2(UniformQuantization):
    """Rounds to the nearest of 4 evenly spaced values that a group of columns shares.

    Source: Badri and Shaji 2023 for `hqq`; Frantar et al. 2022, arXiv 2210.17323, for `gptq`.
    """

    name: ClassVar[str] = "int2"
    label: ClassVar[str] = "int2"
    summary: ClassVar[str] = "Rounds to 4 evenly spaced values that a group of columns shares."
    paper: ClassVar[str] = "Badri and Shaji 2023 (HQQ), Frantar et al. 2022 (GPTQ)"
    bits: ClassVar[int] = 2
