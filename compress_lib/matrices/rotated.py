"""Rotated storage: a compressed matrix and the basis its rows are expressed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    check_stored,
    empty,
    matrix_from_spec,
    register_form,
    round_to,
)
from compress_lib.matrices.views import split_rows


@register_form
class RotatedMatrix(CompressedMatrix):
    """Ŵ = inner · basis, with `inner` `[rows, width]` in any form and `basis` `[width, cols]`."""

    name: ClassVar[str] = "rotated"

    def __init__(self, inner: CompressedMatrix, basis: nn.Parameter) -> None:
        super().__init__((inner.shape[0], basis.shape[1]), inner.dtype)
        self.inner = inner
        self.basis = basis

    @classmethod
    def of(cls, inner: CompressedMatrix, basis: Tensor) -> RotatedMatrix:
        """Store a matrix with its basis, rounded to the matrix's type.

        Args:
            inner: `[rows, width]`.
            basis: `[width, cols]`.

        Raises:
            CompressionError: The basis is not finite or overflows the type.
        """
        stored = round_to(basis, inner.dtype)
        check_stored([stored], (inner.shape[0], basis.shape[1]), inner.dtype)
        return cls(inner, stored)

    @property
    def row_cost(self) -> int:
        """See `CompressedMatrix.row_cost`."""
        return self.inner.row_cost + self.basis.numel()

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`."""
        return self.inner.decode_cost

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        return self.inner.lookup(ids) @ self.basis

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`: inputs are rotated once for all rows."""
        return self.inner.linear(nn.functional.linear(x, self.basis))

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        return self.inner.matmul(x) @ self.basis

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        return self.inner.to_dense() @ self.basis.detach()

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share the basis."""
        return [RotatedMatrix(part, self.basis) for part in split_rows(self.inner, sizes)]

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
    def from_spec(cls, spec: dict[str, Any]) -> RotatedMatrix:
        """See `CompressedMatrix.from_spec`."""
        inner = matrix_from_spec(spec["inner"])
        return cls(inner, empty(inner.shape[1], spec["shape"][1]))
