"""Small codes of evenly spaced values: rows or groups of columns, really packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import register_form
from compress_lib.matrices.packing import unpack
from compress_lib.matrices.quantized.grouped_codes import GroupedMatrix


def centre(bits: int) -> float:
    """Return the code that stands for zero where groups have no minimum: between the middle two."""
    return (1 << bits) / 2 - 0.5


@register_form
class QuantizedMatrix(GroupedMatrix):
    """Stores packed codes, a step for every group of a row, and mostly a minimum.

    Entry = minimum + code · step, or without minima (code − centre) · step; see `GroupedMatrix`.
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
        """Pack codes `[rows, cols]` and store steps and minima `[rows, groups]` in `dtype`.

        Raises:
            CompressionError: A step or a minimum is not finite, or too large for `dtype`.
        """
        shared = [steps] if minima is None else [steps, minima]
        return cls.from_parts(codes, shared, bits=bits, group=group, dtype=dtype)

    def _read_values(self, packed: Tensor, dtype: torch.dtype) -> Tensor:
        found = unpack(packed, self.bits, self.shape[1]).to(dtype)
        return found if self.minima is not None else found.sub_(centre(self.bits))

    def _apply_scales(self, values: Tensor, shared: Sequence[Tensor]) -> Tensor:
        values.mul_(shared[0])
        return values if len(shared) == 1 else values.add_(shared[1])

    def _project_between(self, x: Tensor, start: int, stop: int) -> Tensor:
        if self.group < self.shape[1]:
            return super()._project_between(x, start, stop)
        # Codes of whole rows need not be scaled. Shifted to lie around zero, their products with
        # x are as exact as those of the values.
        half = 1 << (self.bits - 1)
        codes = unpack(self.codes[start:stop], self.bits, self.shape[1]).to(x.dtype).sub_(half)
        steps = self.steps[start:stop, 0].to(x.dtype)
        if self.minima is None:
            middle = steps * (half - centre(self.bits))
        else:
            middle = (self.minima[start:stop, 0] + half * self.steps[start:stop, 0]).to(x.dtype)
        return (x @ codes.T) * steps + x.sum(-1, keepdim=True) * middle
