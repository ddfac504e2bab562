"""Rounding of groups of columns that quantizing methods share, and how a group's range is chosen.

Where several ranges are tried, the values that count are those of the rounded steps and minima.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.quantized.normal_float import (
    CodebookMatrix,
    nearest_level,
    normal_levels,
)
from compress_lib.matrices.quantized.uniform import QuantizedMatrix, centre
from compress_lib.matrices.row_decoding import ELEMENTS
from compress_lib.methods.linalg import check_finite
from compress_lib.methods.quantization.range_search import (
    hqq_range,
    minmax_range,
    mse_range,
    round_trip,
)

Scales = list[Tensor]
"""What the columns of a group share: each `[..., groups]`, in float32 as the type rounds them."""


class QuantGrid(ABC):
    """Which values a code may stand for, given what its group stores."""

    bits: int

    @abstractmethod
    def calibrate(self, values: Tensor, dtype: torch.dtype) -> Scales:
        """Choose what groups `[..., width]` of float32 values store, each `[...]`."""

    @abstractmethod
    def encode(self, values: Tensor, scales: Scales) -> Tensor:
        """Return the uint8 codes of the nearest values; `scales` broadcast."""

    @abstractmethod
    def decode(self, codes: Tensor, scales: Scales) -> Tensor:
        """Return the values that codes stand for; `scales` broadcast."""

    @abstractmethod
    def matrix(
        self, codes: Tensor, scales: Scales, group: int, dtype: torch.dtype
    ) -> CompressedMatrix:
        """Store codes `[rows, cols]` and scales `[rows, groups]`."""


@dataclass(frozen=True)
class UniformGrid(QuantGrid):
    """2^bits evenly spaced values.

    Attributes:
        bits: 1 to 8.
        minimum: Whether a group stores its smallest value beside the step; without, its values
            lie evenly around zero.
        range: `minmax` spans a group's smallest to largest value; `hqq` and `mse` search for a
            range with less error, see `range_search`.
    """

    bits: int
    minimum: bool = True
    range: str = "minmax"

    def calibrate(self, values: Tensor, dtype: torch.dtype) -> Scales:
        """See `QuantGrid.calibrate`."""
        step, low = minmax_range(values, self.bits, self.minimum, dtype)
        if self.range == "hqq":
            step, low = hqq_range(values, step, low, self.bits, self.minimum, dtype)
        elif self.range == "mse":
            step, low = mse_range(values, step, low, self.bits, self.minimum, dtype)
        return [step, low] if self.minimum else [step]

    def encode(self, values: Tensor, scales: Scales) -> Tensor:
        """See `QuantGrid.encode`."""
        step = scales[0].where(scales[0] > 0, 1.0)
        codes = ((values - self._low(scales)) / step).round()
        return codes.clamp(0, 2**self.bits - 1).to(torch.uint8)

    def decode(self, codes: Tensor, scales: Scales) -> Tensor:
        """See `QuantGrid.decode`."""
        return torch.addcmul(self._low(scales), codes.float(), scales[0])

    def _low(self, scales: Scales) -> Tensor:
        return scales[1] if self.minimum else scales[0] * -centre(self.bits)

    def matrix(
        self, codes: Tensor, scales: Scales, group: int, dtype: torch.dtype
    ) -> CompressedMatrix:
        """See `QuantGrid.matrix`."""
        minima = scales[1] if self.minimum else None
        return QuantizedMatrix.from_codes(
            codes, scales[0], minima, bits=self.bits, group=group, dtype=dtype
        )


SHRINKS = 10
"""How many smaller scales are tried, down to half of the largest entry."""


@dataclass(frozen=True)
class NormalFloatGrid(QuantGrid):
    """The quantiles of a normal distribution, times a group's largest absolute value.

    Attributes:
        bits: 2 to 8.
        range: `mse` also tries smaller scales, and takes what has the least squared error.

    Source: Dettmers et al. 2023 (QLoRA), arXiv 2305.14314.
    """

    bits: int = 4
    range: str = "minmax"

    def calibrate(self, values: Tensor, dtype: torch.dtype) -> Scales:
        """See `QuantGrid.calibrate`."""
        largest = values.abs().amax(-1)
        found = round_trip(largest, dtype)
        if self.range != "minmax":
            error = self._error(values, found)
            for index in range(1, SHRINKS + 1):
                trial = round_trip(largest * (1 - 0.5 * index / SHRINKS), dtype)
                other = self._error(values, trial)
                found, error = found.where(error <= other, trial), error.minimum(other)
        return [found]

    def _error(self, values: Tensor, scale: Tensor) -> Tensor:
        wide = [scale[..., None]]
        return (self.decode(self.encode(values, wide), wide) - values).square().sum(-1)

    def encode(self, values: Tensor, scales: Scales) -> Tensor:
        """See `QuantGrid.encode`."""
        return nearest_level(values / scales[0].where(scales[0] > 0, 1.0), self.bits)

    def decode(self, codes: Tensor, scales: Scales) -> Tensor:
        """See `QuantGrid.decode`."""
        return normal_levels(self.bits).to(codes.device)[codes.long()] * scales[0]

    def matrix(
        self, codes: Tensor, scales: Scales, group: int, dtype: torch.dtype
    ) -> CompressedMatrix:
        """See `QuantGrid.matrix`."""
        return CodebookMatrix.from_parts(codes, scales, bits=self.bits, group=group, dtype=dtype)


def quantize(
    weight: Tensor, bits: int, group: int | None = None, *, range_name: str = "minmax"
) -> QuantizedMatrix:
    """Round every entry to the nearest of 2^bits evenly spaced values of its group.

    With the range `minmax` the values reach from the group's smallest entry to its largest. Scales
    and minima are rounded to the weight's type before the codes are chosen, so that the codes
    compensate: no entry of a group that has zero in its range is off by more than half a step.

    Args:
        weight: `[rows, cols]`, any floating type, which is that of steps and minima as well.
        bits: 1 to 8.
        group: Neighbouring columns that share a step and a minimum; None for whole rows.
        range_name: See `UniformGrid.range`.

    Raises:
        CompressionError: The weight is not finite, or a step is too large for its type.
    """
    found = quantize_to(UniformGrid(bits, range=range_name), weight, group)
    assert isinstance(found, QuantizedMatrix)
    return found


def quantize_to(levels: QuantGrid, weight: Tensor, group: int | None = None) -> CompressedMatrix:
    """Round every entry of a weight `[rows, cols]` to the nearest of its group's values.

    Raises:
        CompressionError: The weight is not finite, or a scale is too large for its type.
    """
    check_finite(weight)
    cols = weight.shape[1]
    group = min(group or cols, cols)
    chunks = [round_to_nearest(levels, rows, group) for rows in in_chunks(weight)]
    return from_chunks(levels, chunks, group, weight.dtype)


def in_chunks(weight: Tensor) -> Iterator[Tensor]:
    """Yield some rows at a time, so that what is needed on the way stays small."""
    yield from weight.split(max(1, ELEMENTS // weight.shape[1]))


def from_chunks(
    levels: QuantGrid, chunks: Sequence[tuple[Tensor, Scales]], group: int, dtype: torch.dtype
) -> CompressedMatrix:
    """Store codes `[some rows, cols]` and scales `[some rows, groups]`, chunk after chunk."""
    codes = torch.cat([codes for codes, _ in chunks])
    scales = [torch.cat(parts) for parts in zip(*(found for _, found in chunks), strict=True)]
    return levels.matrix(codes, scales, group, dtype)


def round_to_nearest(levels: QuantGrid, rows: Tensor, group: int) -> tuple[Tensor, Scales]:
    """Return codes `[rows, cols]`, and each of the scales `[rows, groups]`."""
    whole = rows.shape[1] // group * group
    codes: list[Tensor] = []
    parts: list[Scales] = []
    # The last group may be shorter.
    for some, width in ((rows[:, :whole], group), (rows[:, whole:], rows.shape[1] - whole)):
        if width:
            grouped = some.float().unflatten(1, (-1, width))
            scales = levels.calibrate(grouped, rows.dtype)
            codes.append(levels.encode(grouped, [one[..., None] for one in scales]).flatten(1))
            parts.append(scales)
    return torch.cat(codes, 1), [torch.cat(found, 1) for found in zip(*parts, strict=True)]
