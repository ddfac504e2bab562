"""Quantization grids and rounding per group of columns, shared by the quantizers.

Range searches evaluate candidates with the rounded steps and minima that would be stored.
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
from compress_lib.matrices.quantized.uniform import QuantizedMatrix, midpoint
from compress_lib.matrices.row_decoding import ELEMENTS
from compress_lib.methods.linalg import check_finite
from compress_lib.methods.quantization.range_search import (
    hqq_range,
    minmax_range,
    mse_range,
    round_trip,
)

Scales = list[Tensor]
"""Stored parameters of groups: each `[..., groups]`, in float32 rounded to the stored dtype."""


class QuantGrid(ABC):
    """Grid of values that codes represent, given the stored parameters of their group."""

    bits: int

    @abstractmethod
    def calibrate(self, values: Tensor, dtype: torch.dtype) -> Scales:
        """Choose the stored parameters of groups, each `[...]`.

        Args:
            values: `[..., width]` in float32.
            dtype: The dtype in which the parameters are stored.
        """

    @abstractmethod
    def encode(self, values: Tensor, scales: Scales) -> Tensor:
        """Return the uint8 codes of the nearest grid values.

        Args:
            values: Float32 values of any shape.
            scales: Broadcast against `values`.
        """

    @abstractmethod
    def decode(self, codes: Tensor, scales: Scales) -> Tensor:
        """Return the values that codes represent.

        Args:
            codes: Of any shape.
            scales: Broadcast against `codes`.
        """

    @abstractmethod
    def matrix(
        self, codes: Tensor, scales: Scales, group: int, dtype: torch.dtype
    ) -> CompressedMatrix:
        """Build the stored matrix.

        Args:
            codes: `[rows, cols]`.
            scales: Each `[rows, groups]`.
            group: Columns per group.
            dtype: The dtype in which the scales are stored.
        """


@dataclass(frozen=True)
class UniformGrid(QuantGrid):
    """Grid of 2^bits evenly spaced values.

    Attributes:
        bits: 1 to 8.
        minimum: Whether a group stores its minimum beside the step; otherwise its values are
            symmetric around zero.
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
        return scales[1] if self.minimum else scales[0] * -midpoint(self.bits)

    def matrix(
        self, codes: Tensor, scales: Scales, group: int, dtype: torch.dtype
    ) -> CompressedMatrix:
        """See `QuantGrid.matrix`."""
        minima = scales[1] if self.minimum else None
        return QuantizedMatrix.from_codes(
            codes, scales[0], minima, bits=self.bits, group=group, dtype=dtype
        )


SHRINKS = 10
"""How many smaller scales are tried, down to half of the largest absolute value."""


@dataclass(frozen=True)
class NormalFloatGrid(QuantGrid):
    """Grid of the quantiles of a normal distribution, scaled by the group's absolute maximum.

    Attributes:
        bits: 2 to 8.
        range: `mse` also tries smaller scales and takes the one with the least squared error.

    Source: Dettmers et al. 2023 (QLoRA), arXiv 2305.14314.
    """

    bits: int = 4
    range: str = "minmax"

    def calibrate(self, values: Tensor, dtype: torch.dtype) -> Scales:
        """See `QuantGrid.calibrate`."""
        largest = values.abs().amax(-1)
        scale = round_trip(largest, dtype)
        if self.range != "minmax":
            error = self._error(values, scale)
            for index in range(1, SHRINKS + 1):
                trial = round_trip(largest * (1 - 0.5 * index / SHRINKS), dtype)
                trial_error = self._error(values, trial)
                scale, error = scale.where(error <= trial_error, trial), error.minimum(trial_error)
        return [scale]

    def _error(self, values: Tensor, scale: Tensor) -> Tensor:
        scales = [scale[..., None]]
        return (self.decode(self.encode(values, scales), scales) - values).square().sum(-1)

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

    With the range `minmax` the values span the group's smallest to largest entry. Scales and minima
    are rounded to the weight's dtype before the codes are chosen, so that the codes compensate: no
    entry of a group whose range includes zero is off by more than half a step.

    Args:
        weight: `[rows, cols]`, any floating dtype, which is also that of steps and minima.
        bits: 1 to 8.
        group: Neighbouring columns that share a step and a minimum; None for whole rows.
        range_name: See `UniformGrid.range`.

    Raises:
        CompressionError: The weight is not finite, or a step is too large for its dtype.
    """
    matrix = quantize_to(UniformGrid(bits, range=range_name), weight, group)
    assert isinstance(matrix, QuantizedMatrix)
    return matrix


def quantize_to(levels: QuantGrid, weight: Tensor, group: int | None = None) -> CompressedMatrix:
    """Round every entry to the nearest value of its group's grid.

    Args:
        levels: The grid.
        weight: `[rows, cols]`, any floating dtype, which is also that of the scales.
        group: Neighbouring columns that share scales; None for whole rows.

    Raises:
        CompressionError: The weight is not finite, or a scale is too large for its dtype.
    """
    check_finite(weight)
    cols = weight.shape[1]
    group = min(group or cols, cols)
    chunks = [round_to_nearest(levels, rows, group) for rows in in_chunks(weight)]
    return from_chunks(levels, chunks, group, weight.dtype)


def in_chunks(weight: Tensor) -> Iterator[Tensor]:
    """Yield chunks of rows, to bound the memory of intermediate tensors."""
    yield from weight.split(max(1, ELEMENTS // weight.shape[1]))


def from_chunks(
    levels: QuantGrid, chunks: Sequence[tuple[Tensor, Scales]], group: int, dtype: torch.dtype
) -> CompressedMatrix:
    """Build the stored matrix from chunks of rows.

    Args:
        levels: The grid.
        chunks: Codes `[chunk rows, cols]` and scales, each `[chunk rows, groups]`.
        group: Columns per group.
        dtype: The dtype in which the scales are stored.
    """
    codes = torch.cat([codes for codes, _ in chunks])
    scales = [
        torch.cat(parts)
        for parts in zip(*(group_scales for _, group_scales in chunks), strict=True)
    ]
    return levels.matrix(codes, scales, group, dtype)


def round_to_nearest(levels: QuantGrid, rows: Tensor, group: int) -> tuple[Tensor, Scales]:
    """Return codes `[rows, cols]` and the scales, each `[rows, groups]`.

    Args:
        levels: The grid.
        rows: `[rows, cols]`.
        group: Columns per group; the last group may be narrower.
    """
    full_cols = rows.shape[1] // group * group
    codes: list[Tensor] = []
    parts: list[Scales] = []
    for block, width in (
        (rows[:, :full_cols], group),
        (rows[:, full_cols:], rows.shape[1] - full_cols),
    ):
        if width:
            grouped = block.float().unflatten(1, (-1, width))
            scales = levels.calibrate(grouped, rows.dtype)
            codes.append(levels.encode(grouped, [one[..., None] for one in scales]).flatten(1))
            parts.append(scales)
    return torch.cat(codes, 1), [torch.cat(chunk, 1) for chunk in zip(*parts, strict=True)]
