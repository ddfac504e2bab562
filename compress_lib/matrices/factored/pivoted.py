"""Some rows of a low-rank matrix, and what the others are made of; or some of its columns."""

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
    """Stores pivots, coefficients, and `order`, integers: which row or column is where.

    By rows: Ŵ = [pivots; coefficients · pivots] with its rows in order, pivots `[rank, cols]`,
    coefficients `[rows − rank, rank]`; row i is at the place `order[i]`. The parts of a split
    matrix share the pivots, each using some of them as they are.
    By columns: Ŵ = [pivots, pivots · coefficients], pivots `[rows, rank]`, coefficients
    `[rank, cols − rank]`; what is at place j is column `order[j]`.

    Both are what a multiplication has to gather: its outputs, or its inputs.

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
        """Put stored parts together.

        Args:
            pivots: See the class.
            coefficients: See the class.
            places: The numbers of the pivots, ascending, and then those of the others.
            by_columns: Whether pivots are columns.
            offset: `[cols]`.
            bias: `[rows]`.
        """
        order = places if by_columns else places.argsort()
        kept = freeze(order.to(smallest_integer(len(order) - 1)))
        return cls(pivots, coefficients, kept, offset, bias, by_columns=by_columns)

    @property
    def rank(self) -> int:
        """The number of pivots."""
        return int(self.pivots.shape[1 if self.by_columns else 0])

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`."""
        return self.pivots.decode_cost + self.coefficients.decode_cost

    def _product_rows(self, ids: Tensor) -> Tensor:
        if self.by_columns:
            return self._spread_columns(self.pivots.lookup(ids))
        places = self.order[ids.flatten()].long()
        chosen = places < self.rank
        found = self.pivots.lookup(places.clamp_max(self.rank - 1))
        others = places[~chosen] - self.rank
        made = self.pivots.matmul(self.coefficients.lookup(others))
        return found.index_put((~chosen,), made).reshape(*ids.shape, self.shape[1])

    def _product_project(self, x: Tensor) -> Tensor:
        if self.by_columns:
            sorted_x = x.index_select(-1, self.order.long())
            ahead, rest = sorted_x.tensor_split([self.rank], dim=-1)
            return self.pivots.linear(ahead + self.coefficients.linear(rest))
        ahead = self.pivots.linear(x)
        both = torch.cat([ahead, self.coefficients.linear(ahead)], dim=-1)
        return both.index_select(-1, self.order.long())

    def _product_combine(self, x: Tensor) -> Tensor:
        if self.by_columns:
            return self._spread_columns(self.pivots.matmul(x))
        count = self.rank + self.coefficients.shape[0]
        placed = x.new_zeros(*x.shape[:-1], count).index_copy(-1, self.order.long(), x)
        ahead, rest = placed.tensor_split([self.rank], dim=-1)
        return self.pivots.matmul(ahead + self.coefficients.matmul(rest))

    def _product(self) -> Tensor:
        if self.by_columns:
            return self._spread_columns(self.pivots.to_dense())
        ahead = self.pivots.to_dense()
        both = torch.cat([ahead, self.coefficients.to_dense() @ ahead])
        return both.index_select(0, self.order.long())

    def _spread_columns(self, ahead: Tensor) -> Tensor:
        """Return whole rows `[..., cols]` from what they have in the pivots' columns."""
        both = torch.cat([ahead, self.coefficients.matmul(ahead)], dim=-1)
        return torch.empty_like(both).index_copy(-1, self.order.long(), both)

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share what all rows are made of."""
        biases = self._split_bias(sizes)
        if self.by_columns:
            return [
                PivotedMatrix(
                    pivots, self.coefficients, self.order, self.offset, bias, by_columns=True
                )
                for pivots, bias in zip(split_rows(self.pivots, sizes), biases, strict=True)
            ]
        orders = self.order.detach().long().split(list(sizes))
        owned = [int((order >= self.rank).sum()) for order in orders]
        parts: list[CompressedMatrix] = []
        first = 0
        for order, coefficients, own, bias in zip(
            orders, split_rows(self.coefficients, owned), owned, biases, strict=True
        ):
            # Other rows are stored in their order, so that those of a part follow each other.
            moved = torch.where(order >= self.rank, order - first, order).to(self.order.dtype)
            parts.append(
                PivotedMatrix(
                    self.pivots, coefficients, freeze(moved), self.offset, bias, by_columns=False
                )
            )
            first += own
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
