"""What methods have in common whose result is two factors of the largest rank that fits."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compress_lib.errors import BudgetError
from compress_lib.formatting import format_keep
from compress_lib.methods.base import Method, Preview
from compress_lib.progress import Progress, no_progress

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.calibration import Statistics
    from compress_lib.matrices import CompressedMatrix


@dataclass(frozen=True, kw_only=True)
class LowRankMethod(Method):
    """Finds left `[rows, rank]` and right `[rank, cols]`; a subclass says how."""

    @abstractmethod
    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """Return left `[rows, rank]` and right `[rank, cols]` whose product approximates W."""

    def rank_bytes(self, shape: tuple[int, int], rank: int, itemsize: int) -> int:
        """Return the bytes that factors of a rank take."""
        return rank * (shape[0] + shape[1]) * itemsize

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`."""
        return low_rank_preview(shape, budget=budget, itemsize=itemsize)

    def compress(
        self,
        weight: Tensor,
        *,
        budget: int,
        statistics: Statistics,
        progress: Progress = no_progress,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.factorization import low_rank_matrix

        shape = (weight.shape[0], weight.shape[1])
        rank = low_rank(shape, budget=budget, itemsize=weight.element_size())
        left, right = self.factors(weight, rank, statistics)
        return low_rank_matrix(left, right, weight.dtype)


def low_rank_preview(
    shape: tuple[int, int], *, budget: int, itemsize: int, fixed: int = 0
) -> Preview:
    """Tell what two factors of `low_rank`, and `fixed` more numbers, would take.

    Raises:
        BudgetError: Not even rank 1 fits.
    """
    rank = low_rank(shape, budget=budget, itemsize=itemsize, fixed=fixed)
    rows, cols = shape
    return Preview(rank=rank, nbytes=(rank * (rows + cols) + fixed) * itemsize)


def low_rank(shape: tuple[int, int], *, budget: int, itemsize: int, fixed: int = 0) -> int:
    """Return the largest rank whose two factors, and `fixed` more numbers, fit into a budget.

    Raises:
        BudgetError: Not even rank 1 fits.
    """
    rows, cols = shape
    rank = min((budget // itemsize - fixed) // (rows + cols), min(rows, cols))
    if rank < 1:
        least = (rows + cols + fixed) * itemsize
        raise BudgetError(
            f"{budget:,} bytes are below rank 1 for a {rows} × {cols} matrix: it needs at least "
            f"{least:,} bytes, a keep of {format_keep(least / (rows * cols * itemsize))}."
        )
    return rank
