"""Tucker decomposition of a matrix whose row dimension is folded into two."""

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

ELEMENTS = 2**22
"""Maximum number of intermediate entries per chunk of rows: 16 MB in float32."""


@register_form
class TuckerMatrix(CompressedMatrix):
    """Tucker matrix: core `[r1, r2, r3]` and factors `[n1, r1]`, `[n2, r2]`, `[cols, r3]`.

    Row i of Ŵ is Σ_abc core[a, b, c] · first[i ÷ n2, a] · second[i mod n2, b] · third[:, c].
    If n1 · n2 exceeds the number of rows, the excess rows are padding.
    """

    name: ClassVar[str] = "tucker"

    def __init__(
        self, core: nn.Parameter, factors: Sequence[nn.Parameter], rows: int, dtype: torch.dtype
    ) -> None:
        super().__init__((rows, factors[2].shape[0]), dtype)
        self.core = core
        self.first, self.second, self.third = factors

    @classmethod
    def from_factors(
        cls, core: Tensor, factors: Sequence[Tensor], rows: int, dtype: torch.dtype
    ) -> TuckerMatrix:
        """Store a core and its factors, rounded to `dtype`.

        Args:
            core: `[r1, r2, r3]`.
            factors: `[n1, r1]`, `[n2, r2]` and `[cols, r3]`.
            rows: Rows of the matrix, at most n1 · n2.
            dtype: Checkpoint type.

        Raises:
            CompressionError: A tensor is not finite or overflows `dtype`.
        """
        stored = [round_to(tensor, dtype) for tensor in (core, *factors)]
        check_stored(stored, (rows, factors[2].shape[0]), dtype)
        return cls(stored[0], stored[1:], rows, dtype)

    @property
    def row_cost(self) -> int:
        """See `CompressedMatrix.row_cost`."""
        return int(self.core.numel()) + int(self.core.shape[2]) * int(self.shape[1])

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        flat, fold = ids.flatten(), len(self.second)
        blocks, place = (flat // fold).unique(return_inverse=True)
        if len(blocks) * fold <= 2 * len(flat):
            # Rows of a block share most of the work, so decoding full blocks is cheaper.
            step = max(1, ELEMENTS // (fold * self.shape[1]))
            parts = [self._blocks(self.first[chunk]) for chunk in blocks.split(step)]
            rows = torch.cat(parts)[place, flat % fold]
        else:
            step = max(1, ELEMENTS // (self.core.shape[0] * self.core.shape[1]))
            rows = torch.cat([self._single(chunk) for chunk in flat.split(step)])
        return rows.reshape(*ids.shape, self.shape[1])

    def _single(self, ids: Tensor) -> Tensor:
        """Return the rows `ids` `[n]`, decoded individually, `[n, cols]`."""
        fold = len(self.second)
        pairs = self.first[ids // fold][:, :, None] * self.second[ids % fold][:, None]
        rows: Tensor = pairs.flatten(1) @ self.core.flatten(0, 1) @ self.third.T
        return rows

    def _blocks(self, first: Tensor) -> Tensor:
        """Return the row blocks `[blocks, n2, cols]` of rows `[blocks, r1]` of the first factor."""
        mixed = (first @ self.core.flatten(1)).unflatten(1, self.core.shape[1:])
        rows: Tensor = self.second @ mixed @ self.third.T
        return rows

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`."""
        mixed = (x @ self.third) @ self.core.flatten(0, 1).T
        folded: Tensor = self.first @ (mixed.unflatten(-1, self.core.shape[:2]) @ self.second.T)
        return folded.flatten(-2)[..., : self.shape[0]]

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        fold = (len(self.first), len(self.second))
        padded = nn.functional.pad(x, (0, fold[0] * fold[1] - self.shape[0]))
        mixed: Tensor = self.first.T @ padded.unflatten(-1, fold) @ self.second
        return mixed.flatten(-2) @ self.core.flatten(0, 1) @ self.third.T

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        return self._blocks(self.first).flatten(0, 1)[: self.shape[0]].detach()

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix] | None:
        """See `CompressedMatrix.split_rows`: full blocks share all but the first factor."""
        fold = len(self.second)
        if any(size % fold for size in sizes):
            return None
        parts = self.first.detach().split([size // fold for size in sizes])
        return [
            TuckerMatrix(
                self.core,
                [round_to(part, self.dtype), self.second, self.third],
                len(part) * fold,
                self.dtype,
            )
            for part in parts
        ]

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        fold = [len(self.first), len(self.second)]
        return self._base_spec() | {"ranks": list(self.core.shape), "fold": fold}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> TuckerMatrix:
        """See `CompressedMatrix.from_spec`."""
        rows, cols = spec["shape"]
        sizes = [*spec["fold"], cols]
        factors = [empty(size, rank) for size, rank in zip(sizes, spec["ranks"], strict=True)]
        return cls(empty(*spec["ranks"]), factors, rows, stored_type(spec))
