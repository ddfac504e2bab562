"""Small codes of evenly spaced values: rows or groups of columns, really packed."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import register_form
from compress_lib.matrices.grouped import GroupedMatrix


def centre(bits: int) -> float:
    """Return the code that stands for zero where groups have no minimum: between the middle two."""
    return (1 << bits) / 2 - 0.5


@register_form
class QuantizedMatrix(GroupedMatrix):
    """Stores packed codes, a step for every group of a row, and mostly a minimum.

    Entry = minimum + code · step, or without minima (code − centre) · step; see `GroupedMatrix`.
    """

    form: ClassVar[str] = "quantized"
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

    def _decode(self, ids: Tensor) -> Tensor:
        steps = self.steps[ids]
        minima = steps * -centre(self.bits) if self.minima is None else self.minima[ids]
        codes = self._unpacked(ids).to(steps.dtype)
        return torch.addcmul(self._spread(minima), codes, self._spread(steps))
