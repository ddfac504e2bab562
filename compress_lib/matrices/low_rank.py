"""Two factors, an offset where a decoder has a bias, and a bias where a layer's output needs it."""

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
    rounded,
    stored_type,
)


@register_form
class LowRankMatrix(CompressedMatrix):
    """Stores left `[rows, rank]`, right `[rank, cols]`, perhaps offset `[cols]` and bias `[rows]`.

    Ŵ = left right + 1 offsetᵀ. A linear decoder without a bias is the case without an offset.
    The bias is no part of Ŵ: it is added to the outputs of a linear layer.
    """

    form: ClassVar[str] = "low_rank"

    def __init__(
        self,
        left: nn.Parameter,
        right: nn.Parameter,
        offset: nn.Parameter | None,
        dtype: torch.dtype,
        bias: nn.Parameter | None = None,
    ) -> None:
        super().__init__((left.shape[0], right.shape[1]), dtype)
        self.left = left
        self.right = right
        self.offset = offset
        self.bias = bias

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

        Raises:
            CompressionError: A factor is not finite, or too large for `dtype`.
        """
        given = (left, right, offset, bias)
        stored = [None if tensor is None else rounded(tensor, dtype) for tensor in given]
        check_stored([t for t in stored if t is not None], (left.shape[0], right.shape[1]), dtype)
        assert stored[0] is not None and stored[1] is not None
        return cls(stored[0], stored[1], stored[2], dtype, stored[3])

    @property
    def rank(self) -> int:
        """The number of columns of the left factor."""
        return self.left.shape[1]

    def rows(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.rows`."""
        found = self.left[ids] @ self.right
        return found if self.offset is None else found + self.offset

    def project(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.project`."""
        y = nn.functional.linear(nn.functional.linear(x, self.right), self.left)
        return y if self.offset is None else y + (x @ self.offset)[..., None]

    def dense(self) -> Tensor:
        """See `CompressedMatrix.dense`."""
        whole = self.left.detach() @ self.right.detach()
        return whole if self.offset is None else whole + self.offset.detach()

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share `right` and `offset`."""
        lefts = self.left.detach().split(list(sizes))
        biases: Sequence[Tensor | None] = [None] * len(lefts)
        if self.bias is not None:
            biases = self.bias.detach().split(list(sizes))
        return [
            LowRankMatrix(
                rounded(left, self.dtype),
                self.right,
                self.offset,
                self.dtype,
                None if bias is None else rounded(bias, self.dtype),
            )
            for left, bias in zip(lefts, biases, strict=True)
        ]

    def combine(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.combine`."""
        y = (x @ self.left) @ self.right
        return y if self.offset is None else y + x.sum(-1, keepdim=True) * self.offset

    def transposed(self) -> CompressedMatrix:
        """See `CompressedMatrix.transposed`: the factors change places."""
        if self.offset is not None or self.bias is not None:
            return super().transposed()
        left, right = (rounded(factor.T, self.dtype) for factor in (self.right, self.left))
        return LowRankMatrix(left, right, None, self.dtype)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return (
            self._base_spec()
            | {"rank": self.rank, "offset": self.offset is not None}
            | ({"bias": True} if self.bias is not None else {})
        )

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> LowRankMatrix:
        """See `CompressedMatrix.from_spec`."""
        (rows, cols), rank = spec["shape"], spec["rank"]
        offset = empty(cols) if spec["offset"] else None
        bias = empty(rows) if spec.get("bias") else None
        return cls(empty(rows, rank), empty(rank, cols), offset, stored_type(spec), bias)
