"""Product of two factors that are stored in any form, e.g. quantized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from compress_lib.matrices.base import CompressedMatrix, matrix_from_spec, register_form
from compress_lib.matrices.factored.base import FactoredMatrix, empty_beside
from compress_lib.matrices.views import split_rows


@register_form
class ProductMatrix(FactoredMatrix):
    """Product of left `[rows, rank]` and right `[rank, cols]`, each in its own storage form."""

    name: ClassVar[str] = "product"

    def __init__(
        self,
        left: CompressedMatrix,
        right: CompressedMatrix,
        offset: nn.Parameter | None = None,
        bias: nn.Parameter | None = None,
    ) -> None:
        super().__init__((left.shape[0], right.shape[1]), left.dtype, offset, bias)
        self.left = left
        self.right = right

    @property
    def rank(self) -> int:
        """Number of columns of the left factor."""
        return self.left.shape[1]

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`."""
        return self.left.decode_cost + self.right.decode_cost

    def _product_rows(self, ids: Tensor) -> Tensor:
        return self.right.matmul(self.left.lookup(ids))

    def _product_project(self, x: Tensor) -> Tensor:
        return self.left.linear(self.right.linear(x))

    def _product_combine(self, x: Tensor) -> Tensor:
        return self.right.matmul(self.left.matmul(x))

    def _product(self) -> Tensor:
        return self.left.to_dense() @ self.right.to_dense()

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share `right` and `offset`."""
        lefts = split_rows(self.left, sizes)
        return [
            ProductMatrix(left, self.right, self.offset, bias)
            for left, bias in zip(lefts, self._split_bias(sizes), strict=True)
        ]

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"left": self.left.spec(), "right": self.right.spec()}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> ProductMatrix:
        """See `CompressedMatrix.from_spec`."""
        left, right = matrix_from_spec(spec["left"]), matrix_from_spec(spec["right"])
        return cls(left, right, **empty_beside(spec))
