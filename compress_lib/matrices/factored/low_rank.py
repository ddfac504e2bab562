"""Low-rank storage: two factors, with an optional offset and layer bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    check_stored,
    empty,
    register_form,
    round_to,
    stored_type,
)
from compress_lib.matrices.factored.base import FactoredMatrix, empty_beside


@register_form
class LowRankMatrix(FactoredMatrix):
    """Low-rank matrix: left `[rows, rank]`, right `[rank, cols]`, optional offset and bias.

    Ŵ = left · right + 1 offsetᵀ, with offset `[cols]` the bias of a linear decoder. bias `[rows]`
    is added to a linear layer's outputs.
    """

    name: ClassVar[str] = "low_rank"

    def __init__(
        self,
        left: nn.Parameter,
        right: nn.Parameter,
        offset: nn.Parameter | None,
        dtype: torch.dtype,
        bias: nn.Parameter | None = None,
    ) -> None:
        super().__init__((left.shape[0], right.shape[1]), dtype, offset, bias)
        self.left = left
        self.right = right

    @classmethod
    def from_factors(
        cls,
        left: Tensor,
        right: Tensor,
        dtype: torch.dtype,
        offset: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> LowRankMatrix:
        """Store factors, rounded to `dtype`.

        Args:
            left: `[rows, rank]`.
            right: `[rank, cols]`.
            dtype: Checkpoint type.
            offset: `[cols]`, or None.
            bias: `[rows]`, or None.

        Raises:
            CompressionError: A tensor is not finite or overflows `dtype`.
        """
        tensors = (left, right, offset, bias)
        stored = [None if tensor is None else round_to(tensor, dtype) for tensor in tensors]
        check_stored([t for t in stored if t is not None], (left.shape[0], right.shape[1]), dtype)
        assert stored[0] is not None and stored[1] is not None
        return cls(stored[0], stored[1], stored[2], dtype, stored[3])

    @property
    def rank(self) -> int:
        """Number of columns of the left factor."""
        return self.left.shape[1]

    def _product_rows(self, ids: Tensor) -> Tensor:
        return self.left[ids] @ self.right

    def _product_project(self, x: Tensor) -> Tensor:
        return nn.functional.linear(nn.functional.linear(x, self.right), self.left)

    def _product_combine(self, x: Tensor) -> Tensor:
        return (x @ self.left) @ self.right

    def _product(self) -> Tensor:
        return self.left.detach() @ self.right.detach()

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share `right` and `offset`."""
        lefts = self.left.detach().split(list(sizes))
        return [
            LowRankMatrix(round_to(left, self.dtype), self.right, self.offset, self.dtype, bias)
            for left, bias in zip(lefts, self._split_bias(sizes), strict=True)
        ]

    def transposed(self) -> CompressedMatrix | None:
        """See `CompressedMatrix.transposed`: the factors are swapped and transposed."""
        if self.offset is not None or self.bias is not None:
            return None
        left, right = (round_to(factor.T, self.dtype) for factor in (self.right, self.left))
        return LowRankMatrix(left, right, None, self.dtype)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"rank": self.rank}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> LowRankMatrix:
        """See `CompressedMatrix.from_spec`."""
        (rows, cols), rank = spec["shape"], spec["rank"]
        left, right = empty(rows, rank), empty(rank, cols)
        return cls(left, right, dtype=stored_type(spec), **empty_beside(spec))
