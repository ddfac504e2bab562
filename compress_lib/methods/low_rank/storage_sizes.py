"""How many bytes a low-rank matrix takes in the ways it can be stored. Knows no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.utils.formatting import format_keep
from compress_lib.utils.packed_sizes import grouped_bytes

STORAGES = ("factors", "pivoted")
MOST_BITS = 8
USUAL_GROUP = 64
"""Columns that share a step below eight bits, where a whole row's range is too wide."""

BLOCK = 8
"""Matrices whose rank is a multiple of this are multiplied faster, and fill their bytes."""

WORTH = 0.02
"""The share of the rank that may be given up to reach such a multiple."""

INDEX_LIMITS = ((2**8, 1), (2**15, 2), (2**31, 4))
"""How many places an unsigned byte and signed integers of two and four bytes can tell apart."""


@dataclass(frozen=True)
class FactorStorage:
    """Two factors, or pivots and coefficients; as numbers, or as codes of few bits.

    Attributes:
        storage: `factors`: left `[rows, rank]` and right `[rank, cols]`. `pivoted`: `rank` rows
            of the product, the coefficients of all others, and a permutation; where there are
            more rows than columns, `rank` columns.
        bits: Of a code; 0 stores numbers in the checkpoint's type.
        group: Neighbouring columns that share a step and a minimum; 0 takes whole rows at eight
            bits, and 64 columns below.

    Raises:
        CompressionError: A value is out of range.

    Source: pivoted storage as in Zhao et al. 2025 (PIFA), arXiv 2501.19090.
    """

    storage: str = STORAGES[0]
    bits: int = 0
    group: int = 0

    def __post_init__(self) -> None:
        if self.bits == 1:
            raise CompressionError(
                "factor_bits must be 0, for the checkpoint's type, or a number from 2 to "
                f"{MOST_BITS}, not 1: one bit leaves a factor only its group's two ends."
            )

    @property
    def plain(self) -> bool:
        """Whether two factors are stored in the checkpoint's type."""
        return not self.bits and not self.pivoted

    @property
    def pivoted(self) -> bool:
        """Whether pivots and coefficients are stored."""
        return self.storage == STORAGES[1]

    def group_of(self, cols: int) -> int:
        """Return how many columns of a factor with `cols` columns share a step."""
        usual = cols if self.bits == MOST_BITS else USUAL_GROUP
        return max(1, min(self.group or usual, cols))

    def matrix_bytes(self, rows: int, cols: int, itemsize: int) -> int:
        """Return the bytes of one stored matrix `[rows, cols]`: a factor, or a decoder's layer."""
        if not self.bits:
            return rows * cols * itemsize
        return grouped_bytes((rows, cols), self.bits, self.group_of(cols), 2 * itemsize)

    def nbytes(self, shape: tuple[int, int], rank: int, itemsize: int) -> int:
        """Return the bytes of a matrix `[rows, cols]` of a rank, at most min(rows, cols)."""
        rows, cols = shape
        if not self.pivoted:
            parts = ((rows, rank), (rank, cols))
        elif by_columns(shape):
            parts = ((rows, rank), (rank, cols - rank))
        else:
            parts = ((rank, cols), (rows - rank, rank))
        order = order_bytes(min(shape)) if self.pivoted else 0
        return order + sum(self.matrix_bytes(*part, itemsize) for part in parts)

    def largest_rank(
        self, shape: tuple[int, int], budget: int, itemsize: int, fixed: int = 0
    ) -> int:
        """Return the largest rank that fits into a budget beside `fixed` more numbers.

        Unless it is plain factors, a rank just above a multiple of eight gives way to that.

        Raises:
            BudgetError: Not even rank 1 fits.
        """
        room = budget - fixed * itemsize
        # Codes fill up whole bytes, so that one rank more may take fewer bytes: what is found
        # with no filling is too high by a few, and from there every rank is tried.
        rank = self._upper_bound(shape, room, itemsize)
        while rank > 0 and self.nbytes(shape, rank, itemsize) > room:
            rank -= 1
        if rank < 1:
            rows, cols = shape
            least = self.nbytes(shape, 1, itemsize) + fixed * itemsize
            raise BudgetError(
                f"{budget:,} bytes are below rank 1 for a {rows} × {cols} matrix: it needs at "
                f"least {least:,} bytes, a keep of {format_keep(least / (rows * cols * itemsize))}."
            )
        rounded = self.align_rank(rank)
        return rounded if self.nbytes(shape, rounded, itemsize) <= room else rank

    def align_rank(self, rank: int) -> int:
        """Return a rank, or the multiple of eight just below to which it gives way."""
        over = rank % BLOCK
        return rank - over if not self.plain and 0 < over <= WORTH * rank else rank

    def _upper_bound(self, shape: tuple[int, int], room: int, itemsize: int) -> int:
        """Return the largest rank whose numbers alone fit, codes being as many bits as they are."""
        low, high = 0, min(shape)
        while low < high:
            middle = (low + high + 1) // 2
            numbers = middle * (sum(shape) - (middle if self.pivoted else 0))
            fits = numbers * (self.bits or 8 * itemsize) <= 8 * room
            low, high = (middle, high) if fits else (low, middle - 1)
        return low


@lru_cache(maxsize=64)
def bytes_by_rank(storage: FactorStorage, shape: tuple[int, int], itemsize: int) -> tuple[int, ...]:
    """Return the bytes of a matrix `[rows, cols]` of rank 1, 2, … up to its own; see `nbytes`.

    A model has few shapes and many matrices, so that what was counted is kept.
    """
    return tuple(storage.nbytes(shape, rank, itemsize) for rank in range(1, min(shape) + 1))


def by_columns(shape: tuple[int, int]) -> bool:
    """Tell whether a pivoted matrix `[rows, cols]` stores columns of itself, and not rows.

    Both take as many numbers. The shorter side needs the shorter permutation, which is also the
    faster one: of the inputs where columns are pivots, of the outputs where rows are.
    """
    return shape[0] > shape[1]


def order_bytes(count: int) -> int:
    """Return the bytes of a permutation in the smallest integers that hold it."""
    sizes = (size for limit, size in INDEX_LIMITS if count <= limit)
    return count * next(sizes, 8)
