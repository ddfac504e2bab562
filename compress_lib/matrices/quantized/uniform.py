"""Uniform quantization: bit-packed codes with a scale per row or group of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import register_form
from compress_lib.matrices.packing import unpack
from compress_lib.matrices.quantized.grouped_codes import GroupedMatrix


def midpoint(bits: int) -> float:
    """Return the code of zero in symmetric quantization: halfway between the middle two codes."""
    return (1 << bits) / 2 - 0.5


@register_form
class QuantizedMatrix(GroupedMatrix):
    """Uniformly quantized matrix: packed codes, and a step and usually a minimum per group.

    Entry = minimum + code · step (asymmetric), or without minima (code − centre) · step
    (symmetric); see `GroupedMatrix`.
    """

    name: ClassVar[str] = "quantized"
    scales: ClassVar[tuple[str, ...]] = ("steps", "minima")

    steps: nn.Parameter
    minima: nn.Parameter | None

    @classmethod
    def from_codes(
        cls,
        codes: Tensor,
        steps: Tensor,
        minima: Tensor | None,
        *,
        bits: int,
        group: int,
        dtype: torch.dtype,
    ) -> QuantizedMatrix:
        """Pack codes and round steps and minima to `dtype`.

        Args:
            codes: `[rows, cols]`, from 0 to 2^bits − 1.
            steps: `[rows, groups]`.
            minima: `[rows, groups]`, or None for symmetric quantization.
            bits: Bits per code.
            group: Columns per group.
            dtype: Checkpoint type.

        Raises:
            CompressionError: A step or minimum is not finite or overflows `dtype`.
        """
        shared = [steps] if minima is None else [steps, minima]
        return cls.from_parts(codes, shared, bits=bits, group=group, dtype=dtype)

    def _read_values(self, packed: Tensor, dtype: torch.dtype) -> Tensor:
        codes = unpack(packed, self.bits, self.shape[1]).to(dtype)
        return codes if self.minima is not None else codes.sub_(midpoint(self.bits))

    def _apply_scales(self, values: Tensor, shared: Sequence[Tensor]) -> Tensor:
        values.mul_(shared[0])
        return values if len(shared) == 1 else values.add_(shared[1])

    def _project_between(self, x: Tensor, start: int, stop: int) -> Tensor:
        if self.group < self.shape[1]:
            return super()._project_between(x, start, stop)
        # With one group per row, multiply by the codes and scale the outputs. Codes centred around
        # zero make the product as accurate as that of the decoded values.
        half = 1 << (self.bits - 1)
        codes = unpack(self.codes[start:stop], self.bits, self.shape[1]).to(x.dtype).sub_(half)
        steps = self.steps[start:stop, 0].to(x.dtype)
        if self.minima is None:
            middle = steps * (half - midpoint(self.bits))
        else:
            middle = (self.minima[start:stop, 0] + half * self.steps[start:stop, 0]).to(x.dtype)
        return (x @ codes.T) * steps + x.sum(-1, keepdim=True) * middle
