"""Integer quantization by round-to-nearest, HQQ or GPTQ: grids of 2, 3, 4 and 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from compress_lib.methods.base import register
from compress_lib.methods.quantization.base import (
    MINMAX,
    UniformQuantization,
    group_size_option,
    range_option,
)


@dataclass(frozen=True, kw_only=True)
class IntegerQuantization(UniformQuantization):
    """Integer quantization to 2^bits evenly spaced values per group of columns.

    Source: Badri and Shaji 2023 for `hqq`; Frantar et al. 2022, arXiv 2210.17323, for `gptq`.
    """

    paper: ClassVar[str] = "Badri and Shaji 2023 (HQQ), Frantar et al. 2022 (GPTQ)"


@register
@dataclass(frozen=True, kw_only=True)
class Int2(IntegerQuantization):
    """2-bit integer quantization: 4 values."""

    name: ClassVar[str] = "int2"
    label: ClassVar[str] = "int2"
    summary: ClassVar[str] = "2-bit integer quantization with a scale per group of columns."
    bits: ClassVar[int] = 2


@register
@dataclass(frozen=True, kw_only=True)
class Int3(IntegerQuantization):
    """3-bit integer quantization: 8 values."""

    name: ClassVar[str] = "int3"
    label: ClassVar[str] = "int3"
    summary: ClassVar[str] = "3-bit integer quantization with a scale per group of columns."
    bits: ClassVar[int] = 3


@register
@dataclass(frozen=True, kw_only=True)
class Int4(IntegerQuantization):
    """4-bit integer quantization: 16 values."""

    name: ClassVar[str] = "int4"
    label: ClassVar[str] = "int4"
    summary: ClassVar[str] = "4-bit integer quantization with a scale per group of columns."
    bits: ClassVar[int] = 4


@register
@dataclass(frozen=True, kw_only=True)
class Int8(IntegerQuantization):
    """8-bit integer quantization: 256 values, by default one grid per row."""

    name: ClassVar[str] = "int8"
    label: ClassVar[str] = "int8"
    summary: ClassVar[str] = "8-bit integer quantization with a scale per row."
    bits: ClassVar[int] = 8

    group_size: int = group_size_option(0)
    range: str = range_option(MINMAX)
