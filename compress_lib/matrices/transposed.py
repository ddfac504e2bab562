"""A matrix stored by its columns: for weights that are compressed in column orientation."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from compress_lib.matrices.base import CompressedMatrix, matrix_from_spec, register_form


@register_form
class TransposedMatrix(CompressedMatrix):
    """The transpose of `inner` `[cols, rows]`: what is shared among rows there is so here."""

    form: ClassVar[str] = "transposed"

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

    def rows(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.rows`; every column has to be decoded for it."""
        return self.dense()[ids]

    def project(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.project`."""
        return self.inner.combine(x)

    def combine(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.combine`."""
        return self.inner.project(x)

    def dense(self) -> Tensor:
        """See `CompressedMatrix.dense`."""
        return self.inner.dense().T.contiguous()

    def transposed(self) -> CompressedMatrix:
        """See `CompressedMatrix.transposed`."""
        return self.inner

    def stored_bytes(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.stored_bytes`."""
        return self.inner.stored_bytes(tensor)

    def stored_numbers(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.stored_numbers`."""
        return self.inner.stored_numbers(tensor)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"inner": self.inner.spec()}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> TransposedMatrix:
        """See `CompressedMatrix.from_spec`."""
        return cls(matrix_from_spec(spec["inner"]))
