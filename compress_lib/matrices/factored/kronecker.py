"""Sum of Kronecker products as a storage form."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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

ELEMENTS = 2**24
"""Maximum number of intermediate entries between the two multiplications: 64 MB in float32."""


@register_form
class KroneckerMatrix(CompressedMatrix):
    """Sum of Kronecker products of left `[terms, a1, a2]` and right `[terms, b1, b2]`.

    Ŵ = Σ_t left_t ⊗ right_t: row i of Ŵ combines row i ÷ b1 of every left factor with row
    i mod b1 of every right factor. Ŵ x = Σ_t left_t X right_tᵀ with x folded to X `[a2, b2]`.
    """

    name: ClassVar[str] = "kronecker"

    def __init__(self, left: nn.Parameter, right: nn.Parameter, dtype: torch.dtype) -> None:
        (_, a1, a2), (_, b1, b2) = left.shape, right.shape
        super().__init__((a1 * b1, a2 * b2), dtype)
        self.left = left
        self.right = right

    @classmethod
    def from_factors(cls, left: Tensor, right: Tensor, dtype: torch.dtype) -> KroneckerMatrix:
        """Store factors, rounded to `dtype`.

        Args:
            left: `[terms, a1, a2]`.
            right: `[terms, b1, b2]`.
            dtype: Checkpoint type.

        Raises:
            CompressionError: A factor is not finite or overflows `dtype`.
        """
        matrix = cls(round_to(left, dtype), round_to(right, dtype), dtype)
        check_stored([matrix.left, matrix.right], matrix.shape, dtype)
        return matrix

    @property
    def row_cost(self) -> int:
        """See `CompressedMatrix.row_cost`."""
        return int(self.left.shape[0]) * int(self.shape[1])

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        terms, _, width = self.left.shape
        block, height = self.right.shape[1:]
        step = max(1, ELEMENTS // (terms * (width + height)))
        decoded = [
            (
                self.left[:, chunk // block].permute(1, 2, 0)
                @ self.right[:, chunk % block].permute(1, 0, 2)
            ).flatten(1)
            for chunk in ids.flatten().split(step)
        ]
        return torch.cat(decoded).reshape(*ids.shape, self.shape[1])

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`."""
        if self._rebuilding_pays(x):
            return torch.cat([x @ block.T for block in self._blocks(x.dtype)], dim=-1)
        return _multiply(self.left, self.right, x)

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        if self._rebuilding_pays(x):
            total, start = x.new_zeros(*x.shape[:-1], self.shape[1]), 0
            for block in self._blocks(x.dtype):
                total += x[..., start : start + len(block)] @ block
                start += len(block)
            return total
        return _multiply(self.left.mT, self.right.mT, x)

    def _blocks(self, dtype: torch.dtype) -> Iterator[Tensor]:
        """Yield the matrix in blocks of rows, each of at most `ELEMENTS` entries if possible."""
        each = int(self.right.shape[1]) * self.shape[1]
        for left in self.left.detach().split(max(1, ELEMENTS // each), dim=1):
            yield _sum_kronecker(left, self.right.detach()).to(dtype)

    def _rebuilding_pays(self, x: Tensor) -> bool:
        """Return whether multiplying by the rebuilt matrix takes fewer multiply-adds."""
        (terms, a1, a2), (_, b1, b2) = self.left.shape, self.right.shape
        each = min(a2 * b1 * (b2 + a1), a1 * b2 * (a2 + b1))
        vectors, numbers = math.prod(x.shape[:-1]), math.prod(self.shape)
        return vectors * terms * each > numbers * (vectors + terms)

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        return _sum_kronecker(self.left.detach(), self.right.detach())

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix] | None:
        """See `CompressedMatrix.split_rows`: parts of full blocks share `right`."""
        block = self.right.shape[1]
        if any(size % block for size in sizes):
            return None
        parts = self.left.detach().split([size // block for size in sizes], dim=1)
        return [KroneckerMatrix(round_to(p, self.dtype), self.right, self.dtype) for p in parts]

    def transposed(self) -> CompressedMatrix:
        """See `CompressedMatrix.transposed`: every factor is transposed."""
        left, right = (round_to(factor.mT, self.dtype) for factor in (self.left, self.right))
        return KroneckerMatrix(left, right, self.dtype)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"left": list(self.left.shape), "right": list(self.right.shape)}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> KroneckerMatrix:
        """See `CompressedMatrix.from_spec`."""
        return cls(empty(*spec["left"]), empty(*spec["right"]), stored_type(spec))


def _sum_kronecker(left: Tensor, right: Tensor) -> Tensor:
    """Return Σ_t left_t ⊗ right_t."""
    (_, a1, a2), (_, b1, b2) = left.shape, right.shape
    folded = left.flatten(1).T @ right.flatten(1)
    return folded.view(a1, a2, b1, b2).transpose(1, 2).reshape(a1 * b1, a2 * b2)


def _multiply(left: Tensor, right: Tensor, x: Tensor) -> Tensor:
    """Return `x (Σ_t left_t ⊗ right_t)ᵀ` with two multiplications per batch of terms."""
    (terms, a1, a2), (_, b1, b2) = left.shape, right.shape
    tokens = math.prod(x.shape[:-1])
    if tokens == 0:
        return x.new_zeros(*x.shape[:-1], a1 * b1)
    folded = x.reshape(tokens, a2, b2)
    total = x.new_zeros(tokens, a1, b1)
    right_first = a2 * b1 * (b2 + a1) <= a1 * b2 * (a2 + b1)
    intermediate = tokens * (a2 * b1 if right_first else a1 * b2)
    for batch in torch.arange(terms, device=x.device).split(max(1, ELEMENTS // intermediate)):
        a, b, count = left[batch], right[batch], len(batch)
        if right_first:
            # [tokens · a2, b2] × [b2, terms · b1], then sum over terms and a2 in one product.
            half = folded.reshape(-1, b2) @ b.reshape(-1, b2).T
            half = half.view(tokens, a2, count, b1).transpose(1, 2).reshape(tokens, -1, b1)
            total += a.transpose(0, 1).reshape(a1, -1) @ half
        else:
            half = a.reshape(-1, a2) @ folded
            half = half.view(tokens, count, a1, b2).transpose(1, 2).reshape(tokens, a1, -1)
            total += half @ b.transpose(1, 2).reshape(-1, b1)
    return total.reshape(*x.shape[:-1], a1 * b1)
