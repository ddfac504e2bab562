"""Sparse storage: the kept entries and their positions; all other entries are zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    check_stored,
    empty,
    freeze,
    register_form,
    round_to,
    stored_type,
)
from compress_lib.matrices.packing import pack, packed_width, unpack
from compress_lib.matrices.row_decoding import DecodedByRows, smallest_integer


@register_form
class SparseMatrix(DecodedByRows):
    """Sparse matrix: the kept entries in row-major order, with positions in one of two layouts.

    `values` is `[kept]`. Layout `mask`: `mask`, uint8 `[rows, bytes]`, one bit per entry.
    Layout `columns`: `columns` `[kept]` and `counts` `[rows]`, the kept entries per row, both in
    the smallest sufficient integer type.

    The offset of each row in `values` is derived from the positions and cached.
    """

    name: ClassVar[str] = "sparse"

    def __init__(
        self, values: nn.Parameter, places: Sequence[nn.Parameter], cols: int, dtype: torch.dtype
    ) -> None:
        super().__init__((places[-1].shape[0], cols), dtype)
        self.values = values
        # Parameters that are None are absent from checkpoints.
        masked = len(places) == 1
        self.mask = places[0] if masked else None
        self.columns = None if masked else places[0]
        self.counts = None if masked else places[1]
        self._starts: Tensor | None = None

    @classmethod
    def from_kept(cls, weight: Tensor, kept: Tensor, layout: str) -> SparseMatrix:
        """Store the entries of a weight where `kept` is true.

        Args:
            weight: `[rows, cols]`.
            kept: Boolean `[rows, cols]`.
            layout: `mask` or `columns`.

        Raises:
            CompressionError: An entry is not finite.
        """
        values = round_to(weight[kept], weight.dtype)
        check_stored([values], weight.shape, weight.dtype)
        if layout == "mask":
            places = [freeze(pack(kept, 1))]
        else:
            cols = kept.shape[1]
            columns = kept.nonzero()[:, 1].to(smallest_integer(cols - 1))
            counts = kept.sum(dim=1).to(smallest_integer(cols))
            places = [freeze(columns), freeze(counts)]
        return cls(values, places, weight.shape[1], weight.dtype)

    @property
    def layout(self) -> str:
        """Layout of the positions: `mask` or `columns`."""
        return "columns" if self.mask is None else "mask"

    def _decode(self, ids: Tensor) -> Tensor:
        decoded = self.values.new_zeros(len(ids), self.shape[1])
        starts = self._row_starts()
        counts = starts[ids + 1] - starts[ids]
        # Entry j of the requested rows is entry j − (entries of earlier rows) of its stored row.
        before = counts.cumsum(0) - counts
        order = torch.arange(int(counts.sum()), device=ids.device)
        places = order + (starts[ids] - before).repeat_interleave(counts)
        if self.mask is not None:
            kept = unpack(self.mask[ids], 1, self.shape[1]).bool()
            return decoded.masked_scatter_(kept, self.values[places])
        assert self.columns is not None
        row = torch.arange(len(ids), device=ids.device).repeat_interleave(counts)
        decoded[row, self.columns[places].long()] = self.values[places]
        return decoded

    def _row_starts(self) -> Tensor:
        """Return the offset of each row in `values`, `[rows + 1]`; cached."""
        if self._starts is None or self._starts.device != self.values.device:
            if self.mask is not None:
                chunks = self.mask.split(8192)
                counts = torch.cat([unpack(rows, 1, self.shape[1]).sum(dim=1) for rows in chunks])
            else:
                assert self.counts is not None
                counts = self.counts.long()
            self._starts = nn.functional.pad(counts.cumsum(0), (1, 0))
        return self._starts

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: every tensor is split."""
        starts = self._row_starts().tolist()
        parts: list[CompressedMatrix] = []
        first = 0
        for size in sizes:
            rows, entries = slice(first, first + size), slice(starts[first], starts[first + size])
            if self.mask is not None:
                cut = [self.mask[rows]]
            else:
                assert self.columns is not None and self.counts is not None
                cut = [self.columns[entries], self.counts[rows]]
            places = [freeze(tensor.detach().clone()) for tensor in cut]
            values = freeze(self.values[entries].detach().clone())
            parts.append(SparseMatrix(values, places, self.shape[1], self.dtype))
            first += size
        return parts

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"kept": len(self.values), "layout": self.layout}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> SparseMatrix:
        """See `CompressedMatrix.from_spec`."""
        (rows, cols), kept = spec["shape"], spec["kept"]
        if spec["layout"] == "mask":
            places = [empty(rows, packed_width(cols, 1), dtype=torch.uint8)]
        else:
            columns = empty(kept, dtype=smallest_integer(cols - 1))
            places = [columns, empty(rows, dtype=smallest_integer(cols))]
        return cls(empty(kept), places, cols, stored_type(spec))
