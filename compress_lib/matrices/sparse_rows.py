"""Row-sparse storage: the kept rows and a bitmask; all other rows are zero."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    check_stored,
    empty,
    freeze,
    register_form,
    round_to,
    stored_type,
)
from compress_lib.matrices.packing import pack, packed_width, unpack
from compress_lib.matrices.row_decoding import DecodedByRows


@register_form
class SparseRowsMatrix(DecodedByRows):
    """Row-sparse matrix: `values` `[kept, cols]` and `mask`, uint8 `[bytes]`, one bit per row."""

    name: ClassVar[str] = "sparse_rows"

    def __init__(
        self, values: nn.Parameter, mask: nn.Parameter, rows: int, dtype: torch.dtype
    ) -> None:
        super().__init__((rows, values.shape[1]), dtype)
        self.values = values
        self.mask = mask

    @classmethod
    def from_kept(cls, weight: Tensor, kept: Tensor) -> SparseRowsMatrix:
        """Store the rows of a weight where `kept` is true.

        Args:
            weight: `[rows, cols]`.
            kept: Boolean `[rows]`.

        Raises:
            CompressionError: An entry is not finite.
        """
        values = round_to(weight[kept], weight.dtype)
        check_stored([values], weight.shape, weight.dtype)
        return cls(values, freeze(pack(kept[None], 1)[0]), len(kept), weight.dtype)

    def _decode(self, ids: Tensor) -> Tensor:
        kept, places = self._places()
        return self.values[places[ids]] * kept[ids, None]

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`: dropped rows cost nothing."""
        kept, _ = self._places()
        y = x.new_zeros(*x.shape[:-1], self.shape[0])
        y[..., kept] = nn.functional.linear(x, self.values)
        return y

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        kept, _ = self._places()
        return x[..., kept] @ self.values

    def _places(self) -> tuple[Tensor, Tensor]:
        """Return the mask of kept rows, and each row's index in `values` (valid for kept rows)."""
        kept = unpack(self.mask[None], 1, self.shape[0])[0].bool()
        return kept, (kept.cumsum(0) - 1).clamp_min(0)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"kept": self.values.shape[0]}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> SparseRowsMatrix:
        """See `CompressedMatrix.from_spec`."""
        rows, cols = spec["shape"]
        mask = empty(packed_width(rows, 1), dtype=torch.uint8)
        return cls(empty(spec["kept"], cols), mask, rows, stored_type(spec))
