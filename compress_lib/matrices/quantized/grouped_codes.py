"""Group-wise quantization base class: packed codes and scales per group of columns."""

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
"""Entries decoded at once on a CPU."""


class GroupedMatrix(DecodedByRows):
    """Base class of matrices with packed codes and one or more scales per group of a row.

    `codes` is uint8 `[rows, bytes]`, see `packing`. Each scale tensor is `[rows, groups]`; a group
    is `group` consecutive columns, the last of a row may be smaller. Row-wise quantization is the
    case group = cols.
    """

    scales: ClassVar[tuple[str, ...]]
    """Parameter names of the per-group scales; a matrix may lack the last ones."""

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
        """Pack codes and round the per-group scales to `dtype`.

        Args:
            codes: `[rows, cols]`, from 0 to 2^bits − 1.
            shared: Tensors `[rows, groups]`, in the order of `scales`.
            bits: Bits per code.
            group: Columns per group.
            dtype: Checkpoint type.

        Raises:
            CompressionError: A scale is not finite or overflows `dtype`.
        """
        shape = (codes.shape[0], codes.shape[1])
        stored = [round_to(tensor, dtype) for tensor in shared]
        check_stored(stored, shape, dtype)
        return cls([freeze(pack(codes, bits)), *stored], shape, bits, group, dtype)

    @property
    def num_codes(self) -> int:
        """See `CompressedMatrix.num_codes`: one code per entry."""
        return self.shape[0] * self.shape[1]

    @property
    def _shared(self) -> list[nn.Parameter]:
        parts = [getattr(self, name) for name in self.scales]
        return [part for part in parts if part is not None]

    @abstractmethod
    def _read_values(self, packed: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the values of packed codes for a first scale of 1, as a new float tensor."""

    @abstractmethod
    def _apply_scales(self, values: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """Apply the per-group scales to the values in place; the shapes broadcast."""

    def _decode(self, ids: Tensor) -> Tensor:
        return self._decode_packed(self.codes[ids], [part[ids] for part in self._shared])

    def _decode_between(self, start: int, stop: int) -> Tensor:
        return self._decode_packed(
            self.codes[start:stop], [part[start:stop] for part in self._shared]
        )

    def _decode_packed(self, packed: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """Return the rows decoded from packed codes and per-group scales."""
        cols = self.shape[1]
        values = self._read_values(packed, shared[0].dtype)
        if cols % self.group == 0:
            grouped = values.unflatten(1, (-1, self.group))
            return self._apply_scales(grouped, [scale[..., None] for scale in shared]).flatten(1)
        expanded = (scale.repeat_interleave(self.group, dim=1)[:, :cols] for scale in shared)
        return self._apply_scales(values, list(expanded))

    @property
    def _chunk(self) -> int:
        # On a CPU, decoded chunks should still be in the cache when they are multiplied.
        elements = IN_CACHE if self.codes.device.type == "cpu" else ELEMENTS
        return max(1, elements // self.shape[1])

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: every tensor is split."""
        split = (
            [freeze(part.detach().clone()) for part in tensor.split(list(sizes))]
            for tensor in (self.codes, *self._shared)
        )
        return [
            type(self)(parts, (size, self.shape[1]), self.bits, self.group, self.dtype)
            for size, parts in zip(sizes, zip(*split, strict=True), strict=True)
        ]

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        count = len(self._shared)
        missing = {} if count == len(self.scales) else {"scales": count}
        return self._base_spec() | {"bits": self.bits, "group": self.group} | missing

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """See `CompressedMatrix.from_spec`."""
        (rows, cols), bits, group = spec["shape"], spec["bits"], spec["group"]
        codes = empty(rows, packed_width(cols, bits), dtype=torch.uint8)
        count, groups = spec.get("scales", len(cls.scales)), -(-cols // group)
        shared = [empty(rows, groups) for _ in range(count)]
        return cls([codes, *shared], (rows, cols), bits, group, stored_type(spec))
