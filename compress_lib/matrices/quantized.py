"""Small codes between a smallest and a largest value: rows or groups of columns, really packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    check_stored,
    empty,
    frozen,
    register_form,
    rounded,
    stored_type,
)
from compress_lib.matrices.by_rows import DecodedByRows
from compress_lib.matrices.packing import pack, packed_width, unpack


@register_form
class QuantizedMatrix(DecodedByRows):
    """Stores packed codes, and a step and a minimum for every group of a row.

    Entry = minimum + code · step. `codes` is uint8 `[rows, bytes]`, see `packing`; `steps` and
    `minima` are `[rows, groups]`, a group being `group` neighbouring columns. The last group of a
    row may have fewer; one group a row is the case group = cols.
    """

    form: ClassVar[str] = "quantized"

    def __init__(
        self,
        parts: Sequence[nn.Parameter],
        shape: tuple[int, int],
        bits: int,
        group: int,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(shape, dtype)
        self.codes, self.steps, self.minima = parts
        self.bits = bits
        self.group = group

    @classmethod
    def from_codes(
        cls,
        codes: Tensor,
        steps: Tensor,
        minima: Tensor,
        *,
        bits: int,
        group: int,
        dtype: torch.dtype,
    ) -> QuantizedMatrix:
        """Pack codes `[rows, cols]` and store steps and minima `[rows, groups]` in `dtype`.

        Raises:
            CompressionError: A step or a minimum is not finite, or too large for `dtype`.
        """
        shape = (codes.shape[0], codes.shape[1])
        stored = [rounded(tensor, dtype) for tensor in (steps, minima)]
        check_stored(stored, shape, dtype)
        return cls([frozen(pack(codes, bits)), *stored], shape, bits, group, dtype)

    def _decode(self, ids: Tensor) -> Tensor:
        steps, minima = self.steps[ids], self.minima[ids]
        codes = unpack(self.codes[ids], self.bits, self.shape[1]).to(steps.dtype)
        if steps.shape[1] > 1:
            steps, minima = (
                one.repeat_interleave(self.group, dim=1)[:, : self.shape[1]]
                for one in (steps, minima)
            )
        return torch.addcmul(minima, codes, steps)

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: every tensor is cut."""
        cut = (
            [frozen(part.detach().clone()) for part in tensor.split(list(sizes))]
            for tensor in (self.codes, self.steps, self.minima)
        )
        return [
            QuantizedMatrix(parts, (size, self.shape[1]), self.bits, self.group, self.dtype)
            for size, parts in zip(sizes, zip(*cut, strict=True), strict=True)
        ]

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"bits": self.bits, "group": self.group}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> QuantizedMatrix:
        """See `CompressedMatrix.from_spec`."""
        (rows, cols), bits, group = spec["shape"], spec["bits"], spec["group"]
        codes = empty(rows, packed_width(cols, bits), dtype=torch.uint8)
        groups = -(-cols // group)
        parts = [codes, empty(rows, groups), empty(rows, groups)]
        return cls(parts, (rows, cols), bits, group, stored_type(spec))
