"""Pivoted low-rank storage (PIFA): pivot rows or columns, and coefficients of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    empty,
    freeze,
    matrix_from_spec,
    register_form,
)
from compress_lib.matrices.factored.base import FactoredMatrix, empty_beside
from compress_lib.matrices.row_decoding import smallest_integer
from compress_lib.matrices.views import split_rows


@register_form
class PivotedMatrix(FactoredMatrix):
    """Low-rank matrix stored as pivots, coefficients, and an integer permutation `order`.

    By rows: Ŵ is [pivots; coefficients · pivots] with its rows permuted; pivots `[rank, cols]`,
    coefficients `[rows − rank, rank]`; row i of Ŵ is row `order[i]` of the stack. The parts of a
    split matrix share all pivots; each uses some of them as its own rows.
    By columns: Ŵ is [pivots, pivots · coefficients] with its columns permuted; pivots
    `[rows, rank]`, coefficients `[rank, cols − rank]`; column j of the stack is column `order[j]`
    of Ŵ.

    In both cases `order` is the gather index of a multiplication, for its outputs or its inputs.

    Source: Zhao et al. 2025 (PIFA), arXiv 2501.19090.
    """

    name: ClassVar[str] = "pivoted"

    def __init__(
        self,
        pivots: CompressedMatrix,
        coefficients: CompressedMatrix,
        order: nn.Parameter,
        offset: nn.Parameter | None = None,
        bias: nn.Parameter | None = None,
        *,
        by_columns: bool,
    ) -> None:
        count = len(order)
        shape = (pivots.shape[0], count) if by_columns else (count, pivots.shape[1])
        super().__init__(shape, pivots.dtype, offset, bias)
        self.pivots = pivots
        self.coefficients = coefficients
        self.order = order
        self.by_columns = by_columns

    @classmethod
    def from_parts(
        cls,
        pivots: CompressedMatrix,
        coefficients: CompressedMatrix,
        places: Tensor,
        *,
        by_columns: bool,
        offset: nn.Parameter | None = None,
        bias: nn.Parameter | None = None,
    ) -> PivotedMatrix:
        """Build the matrix from stored pivots and coefficients.

        Args:
            pivots: `[rank, cols]`, or `[rows, rank]` by columns.
            coefficients: `[rows − rank, rank]`, or `[rank, cols − rank]` by columns.
            places: Indices of the pivots, ascending, followed by the indices of the others.
            by_columns: Whether the pivots are columns.
            offset: `[cols]`, or None.
            bias: `[rows]`, or None.
        """
        order = places if by_columns else places.argsort()
        stored = freeze(order.to(smallest_integer(len(order) - 1)))
        return cls(pivots, coefficients, stored, offset, bias, by_columns=by_columns)

    @property
    def rank(self) -> int:
        """Number of pivots."""
        return int(self.pivots.shape[1 if self.by_columns else 0])

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`."""
        return self.pivots.decode_cost + self.coefficients.decode_cost

    def _product_rows(self, ids: Tensor) -> Tensor:
        if self.by_columns:
            return self._spread_columns(self.pivots.lookup(ids))
        places = self.order[ids.flatten()].long()
        is_pivot = places < self.rank
        rows = self.pivots.lookup(places.clamp_max(self.rank - 1))
        others = places[~is_pivot] - self.rank
        combined = self.pivots.matmul(self.coefficients.lookup(others))
        return rows.index_put((~is_pivot,), combined).reshape(*ids.shape, self.shape[1])

    def _product_project(self, x: Tensor) -> Tensor:
        if self.by_columns:
            sorted_x = x.index_select(-1, self.order.long())
            pivot_x, other_x = sorted_x.tensor_split([self.rank], dim=-1)
            return self.pivots.linear(pivot_x + self.coefficients.linear(other_x))
        pivot_y = self.pivots.linear(x)
        stacked = torch.cat([pivot_y, self.coefficients.linear(pivot_y)], dim=-1)
        return stacked.index_select(-1, self.order.long())

    def _product_combine(self, x: Tensor) -> Tensor:
        if self.by_columns:
            return self._spread_columns(self.pivots.matmul(x))
        count = self.rank + self.coefficients.shape[0]
        placed = x.new_zeros(*x.shape[:-1], count).index_copy(-1, self.order.long(), x)
        pivot_x, other_x = placed.tensor_split([self.rank], dim=-1)
        return self.pivots.matmul(pivot_x + self.coefficients.matmul(other_x))

    def _product(self) -> Tensor:
        if self.by_columns:
            return self._spread_columns(self.pivots.to_dense())
        pivots = self.pivots.to_dense()
        stacked = torch.cat([pivots, self.coefficients.to_dense() @ pivots])
        return stacked.index_select(0, self.order.long())

    def _spread_columns(self, pivots: Tensor) -> Tensor:
        """Return rows `[..., cols]` from their entries in the pivot columns `[..., rank]`."""
        stacked = torch.cat([pivots, self.coefficients.matmul(pivots)], dim=-1)
        return torch.empty_like(stacked).index_copy(-1, self.order.long(), stacked)

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: parts share pivots or, by columns, coefficients."""
        biases = self._split_bias(sizes)
        if self.by_columns:
            return [
                PivotedMatrix(
                    pivots, self.coefficients, self.order, self.offset, bias, by_columns=True
                )
                for pivots, bias in zip(split_rows(self.pivots, sizes), biases, strict=True)
            ]
        orders = self.order.detach().long().split(list(sizes))
        other_counts = [int((order >= self.rank).sum()) for order in orders]
        parts: list[CompressedMatrix] = []
        first = 0
        for order, coefficients, count, bias in zip(
            orders, split_rows(self.coefficients, other_counts), other_counts, biases, strict=True
        ):
            # Non-pivot rows are stored in row order, so those of a part are consecutive.
            moved = torch.where(order >= self.rank, order - first, order).to(self.order.dtype)
            parts.append(
                PivotedMatrix(
                    self.pivots, coefficients, freeze(moved), self.offset, bias, by_columns=False
                )
            )
            first += count
        return parts

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {
            "by_columns": self.by_columns,
            "order": str(self.order.dtype).removeprefix("torch."),
            "pivots": self.pivots.spec(),
            "coefficients": self.coefficients.spec(),
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> PivotedMatrix:
        """See `CompressedMatrix.from_spec`."""
        columns = spec["by_columns"]
        return cls(
            matrix_from_spec(spec["pivots"]),
            matrix_from_spec(spec["coefficients"]),
            empty(spec["shape"][1 if columns else 0], dtype=getattr(torch, spec["order"])),
            **empty_beside(spec),
            by_columns=columns,
        )
