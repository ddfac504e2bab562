"""Row-slice and transpose views that share the stored tensors of another matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from compress_lib.matrices.base import CompressedMatrix, matrix_from_spec, register_form


def split_rows(matrix: CompressedMatrix, sizes: Sequence[int]) -> list[CompressedMatrix]:
    """Split a matrix into consecutive parts; shared tensors are stored once.

    If the storage cannot be split, each part is a view of the full matrix.

    Args:
        matrix: `[rows, cols]`.
        sizes: Rows of each part, which sum to `rows`.
    """
    parts = matrix.split_rows(sizes)
    if parts is not None:
        return parts
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return [RowSlice(matrix, start, size) for start, size in zip(starts, sizes, strict=True)]


def transposed(matrix: CompressedMatrix) -> CompressedMatrix:
    """Return the transpose `[cols, rows]`, as a view if the form has none of its own."""
    return matrix.transposed() or TransposedMatrix(matrix)


@register_form
class RowSlice(CompressedMatrix):
    """View of rows `start` to `start + count` of `inner`, which other slices may share."""

    name: ClassVar[str] = "row_slice"

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
        """See `CompressedMatrix.decode_cost`: every multiplication decodes the slice."""
        return int(self.shape[0]) * self.inner.row_cost

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        return self.inner.lookup(ids + self.start)

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`."""
        return x @ self.to_dense().to(x.dtype).T

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        device = next(self.inner.parameters()).device
        return self.lookup(torch.arange(self.shape[0], device=device))

    def stored_bytes(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.stored_bytes`."""
        return self.inner.stored_bytes(tensor)

    def num_parameters(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.num_parameters`."""
        return self.inner.num_parameters(tensor)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"start": self.start, "inner": self.inner.spec()}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> RowSlice:
        """See `CompressedMatrix.from_spec`."""
        return cls(matrix_from_spec(spec["inner"]), spec["start"], spec["shape"][0])


@register_form
class TransposedMatrix(CompressedMatrix):
    """Transposed view of `inner` `[cols, rows]`, sharing its stored tensors."""

    name: ClassVar[str] = "transposed"

    def __init__(self, inner: CompressedMatrix) -> None:
        super().__init__((inner.shape[1], inner.shape[0]), inner.dtype)
        self.inner = inner

    @property
    def rank(self) -> int | None:
        """See `CompressedMatrix.rank`."""
        return self.inner.rank

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`."""
        return self.inner.decode_cost

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`; decodes the full matrix."""
        return self.to_dense()[ids]

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`."""
        return self.inner.matmul(x)

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        return self.inner.linear(x)

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        return self.inner.to_dense().T.contiguous()

    def transposed(self) -> CompressedMatrix:
        """See `CompressedMatrix.transposed`."""
        return self.inner

    def stored_bytes(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.stored_bytes`."""
        return self.inner.stored_bytes(tensor)

    def num_parameters(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.num_parameters`."""
        return self.inner.num_parameters(tensor)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"inner": self.inner.spec()}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> TransposedMatrix:
        """See `CompressedMatrix.from_spec`."""
        return cls(matrix_from_spec(spec["inner"]))
