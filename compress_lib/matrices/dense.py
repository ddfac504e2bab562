"""Dense storage, e.g. for the rows of a fused weight that a plan does not compress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import CompressedMatrix, empty, register_form, round_to, stored_type


@register_form
class DenseMatrix(CompressedMatrix):
    """Dense matrix `weight` `[rows, cols]`."""

    name: ClassVar[str] = "dense"

    def __init__(self, weight: nn.Parameter, dtype: torch.dtype) -> None:
        super().__init__((weight.shape[0], weight.shape[1]), dtype)
        self.weight = weight

    @classmethod
    def from_weight(cls, weight: Tensor) -> DenseMatrix:
        """Store a weight in its original type."""
        return cls(round_to(weight, weight.dtype), weight.dtype)

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        return self.weight[ids]

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`."""
        return nn.functional.linear(x, self.weight)

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        return x @ self.weight

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        return self.weight.detach()

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`."""
        parts = self.weight.detach().split(list(sizes))
        return [DenseMatrix(round_to(part, self.dtype), self.dtype) for part in parts]

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec()

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> DenseMatrix:
        """See `CompressedMatrix.from_spec`."""
        return cls(empty(*spec["shape"]), stored_type(spec))
