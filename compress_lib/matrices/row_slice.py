"""Some rows of a larger compressed matrix: for stacked weights whose storage cannot be cut."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from compress_lib.matrices.base import CompressedMatrix, matrix_from_spec, register_form


@register_form
class RowSlice(CompressedMatrix):
    """Rows `start` to `start + count` of `inner`, which other slices hold as well."""

    form: ClassVar[str] = "row_slice"

    def __init__(self, inner: CompressedMatrix, start: int, count: int) -> None:
        super().__init__((count, inner.shape[1]), inner.dtype)
        self.inner = inner
        self.start = start

    @property
    def rank(self) -> int | None:
        """See `CompressedMatrix.rank`."""
        return self.inner.rank

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`: the slice is rebuilt for every multiplication."""
        return int(self.shape[0]) * self.inner.row_cost

    def rows(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.rows`."""
        return self.inner.rows(ids + self.start)

    def project(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.project`."""
        return x @ self.dense().to(x.dtype).T

    def dense(self) -> Tensor:
        """See `CompressedMatrix.dense`."""
        device = next(self.inner.parameters()).device
        return self.rows(torch.arange(self.shape[0], device=device))

    def stored_bytes(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.stored_bytes`."""
        return self.inner.stored_bytes(tensor)

    def stored_numbers(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.stored_numbers`."""
        return self.inner.stored_numbers(tensor)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"start": self.start, "inner": self.inner.spec()}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> RowSlice:
        """See `CompressedMatrix.from_spec`."""
        return cls(matrix_from_spec(spec["inner"]), spec["start"], spec["shape"][0])
