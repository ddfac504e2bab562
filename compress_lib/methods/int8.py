"""Eight-bit codes: 256 evenly spaced values for a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compress_lib.methods.base import register
from compress_lib.methods.group_quantization import UniformQuantization, group_option, refine_option


@register
@dataclass(frozen=True, kw_only=True)
class Int8(UniformQuantization):
    """Rounds to the nearest of 256 evenly spaced values that a row shares.

    Source: Badri and Shaji 2023 for `hqq`; Frantar et al. 2022, arXiv 2210.17323, for `gptq`.
    """

    name: ClassVar[str] = "int8"
    label: ClassVar[str] = "int8"
    summary: ClassVar[str] = "Rounds to 256 evenly spaced values that a row shares."
    paper: ClassVar[str] = "Badri and Shaji 2023 (HQQ), Frantar et al. 2022 (GPTQ)"
    bits: ClassVar[int] = 8

    group: int = group_option(0)
    refine: str = refine_option("none")
