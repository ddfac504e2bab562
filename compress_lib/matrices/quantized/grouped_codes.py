"""What forms have in common that store packed codes, and numbers that groups of columns share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    check_stored,
    empty,
    freeze,
    round_to,
    stored_type,
)
from compress_lib.matrices.packing import pack, packed_width
from compress_lib.matrices.row_decoding import ELEMENTS, DecodedByRows

IN_CACHE = 2**21
"""Numbers decoded at once on a processor."""


class GroupedMatrix(DecodedByRows):
    """Stores packed codes, and one number or more for every group of a row.

    `codes` is uint8 `[rows, bytes]`, see `packing`. What a group shares is `[rows, groups]`, a
    group being `group` neighbouring columns. The last group of a row may have fewer; one group a
    row is the case group = cols.
    """

    scales: ClassVar[tuple[str, ...]]
    """Names of what a group shares; a matrix may lack the last ones."""

    def __init__(
        self,
        parts: Sequence[nn.Parameter],
        shape: tuple[int, int],
        bits: int,
        group: int,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(shape, dtype)
        self.codes, *shared = parts
        self.bits = bits
        self.group = group
        for index, name in enumerate(self.scales):
            self.register_parameter(name, shared[index] if index < len(shared) else None)

    @classmethod
    def from_parts(
        cls, codes: Tensor, shared: Sequence[Tensor], *, bits: int, group: int, dtype: torch.dtype
    ) -> Self:
        """Pack codes `[rows, cols]`, and store what groups share `[rows, groups]` in `dtype`.

        Raises:
            CompressionError: A number is not finite, or too large for `dtype`.
        """
        shape = (codes.shape[0], codes.shape[1])
        stored = [round_to(tensor, dtype) for tensor in shared]
        check_stored(stored, shape, dtype)
        return cls([freeze(pack(codes, bits)), *stored], shape, bits, group, dtype)

    @property
    def num_codes(self) -> int:
        """See `CompressedMatrix.num_codes`: a code an entry."""
        return self.shape[0] * self.shape[1]

    @property
    def _shared(self) -> list[nn.Parameter]:
        parts = [getattr(self, name) for name in self.scales]
        return [part for part in parts if part is not None]

    @abstractmethod
    def _read_values(self, packed: Tensor, dtype: torch.dtype) -> Tensor:
        """Return as new floats what packed codes stand for where the first of the scales is 1."""

    @abstractmethod
    def _apply_scales(self, values: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """Apply what groups share to values in place; both have shapes that broadcast."""

    def _decode(self, ids: Tensor) -> Tensor:
        return self._decode_packed(self.codes[ids], [part[ids] for part in self._shared])

    def _decode_between(self, start: int, stop: int) -> Tensor:
        return self._decode_packed(
            self.codes[start:stop], [part[start:stop] for part in self._shared]
        )

    def _decode_packed(self, packed: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """Return the rows whose packed codes and scales these are."""
        cols = self.shape[1]
        values = self._read_values(packed, shared[0].dtype)
        if cols % self.group == 0:
            grouped = values.unflatten(1, (-1, self.group))
            return self._apply_scales(grouped, [one[..., None] for one in shared]).flatten(1)
        spread = (one.repeat_interleave(self.group, dim=1)[:, :cols] for one in shared)
        return self._apply_scales(values, list(spread))

    @property
    def _chunk(self) -> int:
        # What is decoded is used at once: there it should still be in the processor's cache.
        most = IN_CACHE if self.codes.device.type == "cpu" else ELEMENTS
        return max(1, most // self.shape[1])

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: every tensor is cut."""
        cut = (
            [freeze(part.detach().clone()) for part in tensor.split(list(sizes))]
            for tensor in (self.codes, *self._shared)
        )
        return [
            type(self)(parts, (size, self.shape[1]), self.bits, self.group, self.dtype)
            for size, parts in zip(sizes, zip(*cut, strict=True), strict=True)
        ]

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        count = len(self._shared)
        fewer = {} if count == len(self.scales) else {"scales": count}
        return self._base_spec() | {"bits": self.bits, "group": self.group} | fewer

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """See `CompressedMatrix.from_spec`."""
        (rows, cols), bits, group = spec["shape"], spec["bits"], spec["group"]
        codes = empty(rows, packed_width(cols, bits), dtype=torch.uint8)
        count, groups = spec.get("scales", len(cls.scales)), -(-cols // group)
        shared = [empty(rows, groups) for _ in range(count)]
        return cls([codes, *shared], (rows, cols), bits, group, stored_type(spec))
