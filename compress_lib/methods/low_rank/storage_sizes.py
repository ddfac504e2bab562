"""Storage sizes of low-rank matrices in every storage format.

Does not import torch, so that a plan can be previewed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.utils.formatting import format_keep
from compress_lib.utils.packed_sizes import grouped_bytes

STORAGES = ("factors", "pivoted")
MOST_BITS = 8
USUAL_GROUP = 64
"""Columns per scale below 8 bits, where the range of a full row is too wide."""

BLOCK = 8
"""Ranks that are a multiple of this multiply faster and leave no unused bits in packed codes."""

WORTH = 0.02
"""The share of the rank that may be sacrificed to reach such a multiple."""

INDEX_LIMITS = ((2**8, 1), (2**15, 2), (2**31, 4))
"""Number of positions that an unsigned byte and signed 2- and 4-byte integers can index."""


@dataclass(frozen=True)
class FactorStorage:
    """Storage format of a factorization: factors or pivots, as numbers or low-bit codes.

    Attributes:
        storage: `factors`: left `[rows, rank]` and right `[rank, cols]`. `pivoted`: `rank` rows of
            the product, the coefficients of all other rows, and a permutation; if there are more
            rows than columns, `rank` columns instead.
        bits: Bits per code; 0 stores numbers in the checkpoint's dtype.
        group: Neighbouring columns that share a step and a minimum; 0 = whole rows at 8 bits, 64
            columns below 8 bits.

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
                "factor_bits must be 0 (the checkpoint's data type) or from 2 to "
                f"{MOST_BITS}, not 1, which would leave only two values per group."
            )

    @property
    def plain(self) -> bool:
        """Whether two factors are stored in the checkpoint's dtype."""
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
        """Return the bytes of one stored matrix, such as a factor or a decoder layer.

        Args:
            rows: Its rows.
            cols: Its columns.
            itemsize: Bytes per number in the checkpoint.
        """
        if not self.bits:
            return rows * cols * itemsize
        return grouped_bytes((rows, cols), self.bits, self.group_of(cols), 2 * itemsize)

    def nbytes(self, shape: tuple[int, int], rank: int, itemsize: int) -> int:
        """Return the bytes of a factorization.

        Args:
            shape: `[rows, cols]` of the product.
            rank: At most min(rows, cols).
            itemsize: Bytes per number in the checkpoint.
        """
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
        """Return the largest rank that fits into a budget, aligned by `align_rank`.

        Args:
            shape: `[rows, cols]`.
            budget: Bytes allowed.
            itemsize: Bytes per number in the checkpoint.
            fixed: Numbers stored besides the factors.

        Raises:
            BudgetError: Not even rank 1 fits.
        """
        available = budget - fixed * itemsize
        # Padding to whole bytes makes the size non-monotonic in the rank, so start from a bound
        # without padding and try every rank below.
        rank = self._upper_bound(shape, available, itemsize)
        while rank > 0 and self.nbytes(shape, rank, itemsize) > available:
            rank -= 1
        if rank < 1:
            rows, cols = shape
            least = self.nbytes(shape, 1, itemsize) + fixed * itemsize
            raise BudgetError(
                f"{budget:,} bytes are below rank 1 for a {rows} × {cols} matrix: it needs at "
                f"least {least:,} bytes, a keep of {format_keep(least / (rows * cols * itemsize))}."
            )
        aligned = self.align_rank(rank)
        return aligned if self.nbytes(shape, aligned, itemsize) <= available else rank

    def align_rank(self, rank: int) -> int:
        """Return the next lower multiple of 8 if it is close enough, otherwise the rank itself.

        The rank is kept for plain factors.
        """
        excess = rank % BLOCK
        return rank - excess if not self.plain and 0 < excess <= WORTH * rank else rank

    def _upper_bound(self, shape: tuple[int, int], available: int, itemsize: int) -> int:
        """Return the largest rank whose entries fit, without padding, scales and permutation."""
        low, high = 0, min(shape)
        while low < high:
            middle = (low + high + 1) // 2
            numbers = middle * (sum(shape) - (middle if self.pivoted else 0))
            fits = numbers * (self.bits or 8 * itemsize) <= 8 * available
            low, high = (middle, high) if fits else (low, middle - 1)
        return low


@lru_cache(maxsize=64)
def bytes_by_rank(storage: FactorStorage, shape: tuple[int, int], itemsize: int) -> tuple[int, ...]:
    """Return the bytes at rank 1, 2, …, min(rows, cols); see `FactorStorage.nbytes`.

    Cached, because a model has few shapes and many matrices.

    Args:
        storage: The storage format.
        shape: `[rows, cols]`.
        itemsize: Bytes per number in the checkpoint.
    """
    return tuple(storage.nbytes(shape, rank, itemsize) for rank in range(1, min(shape) + 1))


def by_columns(shape: tuple[int, int]) -> bool:
    """Return whether a pivoted matrix `[rows, cols]` stores columns of the product instead of rows.

    Both need the same number of entries. The shorter side has the smaller and faster permutation:
    of the inputs if columns are pivots, of the outputs if rows are.
    """
    return shape[0] > shape[1]


def order_bytes(count: int) -> int:
    """Return the bytes of a permutation in the smallest integer type that holds it."""
    sizes = (size for limit, size in INDEX_LIMITS if count <= limit)
    return count * next(sizes, 8)
