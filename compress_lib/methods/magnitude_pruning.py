"""Magnitude pruning: keep only the largest entries or rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import BudgetError
from compress_lib.methods.base import Method, Preview, option, register
from compress_lib.utils.formatting import format_keep, format_share
from compress_lib.utils.progress import Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.statistics import Statistics

MASK, COLUMNS, ROWS = "mask", "columns", "rows"


@dataclass(frozen=True)
class _Layout:
    """Storage layout of kept entries or rows: `fixed` bytes plus `each` per entry or row."""

    name: str
    fixed: int
    each: int
    available: int

    def fitting(self, budget: int) -> int:
        return min((budget - self.fixed) // self.each, self.available)


@register
@dataclass(frozen=True, kw_only=True)
class MagnitudePruning(Method):
    """Magnitude pruning of single entries or of whole rows, by their norms.

    The bytes that store positions count: a bitmask over all entries, or a column index per kept
    entry and a count per row, whichever keeps more entries.

    Source: Han et al. 2015, arXiv 1506.02626, without their retraining.
    """

    name: ClassVar[str] = "magnitude_pruning"
    label: ClassVar[str] = "Magnitude pruning"
    summary: ClassVar[str] = (
        "Keeps the largest entries or rows; the bytes of their positions count."
    )
    paper: ClassVar[str] = "Han et al. 2015"
    supports_sharing: ClassVar[bool] = False

    structure: str = option(
        "entries",
        "Structure",
        "Unit of pruning: single entries or whole rows.",
        choices=("entries", "rows"),
    )

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`."""
        layout, kept = self._choose(shape, budget, itemsize)
        share = kept / layout.available
        positions = {MASK: " and a bitmask", COLUMNS: " and column indices", ROWS: ""}[layout.name]
        return Preview(
            budget,
            layout.fixed + kept * layout.each,
            note=f"{kept:,} {self.structure} ({format_share(share)}){positions}",
            solution=(layout, kept),
        )

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.matrices.sparse import SparseMatrix
        from compress_lib.matrices.sparse_rows import SparseRowsMatrix
        from compress_lib.methods.linalg import check_finite

        check_finite(weight)
        layout, kept = preview.solution
        if layout.name == ROWS:
            return SparseRowsMatrix.from_kept(weight, _largest(weight.float().norm(dim=1), kept))
        return SparseMatrix.from_kept(weight, _largest(weight.abs(), kept), layout.name)

    def _choose(self, shape: tuple[int, int], budget: int, itemsize: int) -> tuple[_Layout, int]:
        """Return the layout that keeps the most, and its number of kept entries or rows."""
        rows, cols = shape
        if self.structure == ROWS:
            layouts = [_Layout(ROWS, -(-rows // 8), cols * itemsize, rows)]
        else:
            index, count = _integer_bytes(cols - 1), _integer_bytes(cols)
            layouts = [
                _Layout(MASK, rows * -(-cols // 8), itemsize, rows * cols),
                _Layout(COLUMNS, rows * count, itemsize + index, rows * cols),
            ]
        best = max(layouts, key=lambda layout: layout.fitting(budget))
        kept = best.fitting(budget)
        if kept < 1:
            least = min(layout.fixed + layout.each for layout in layouts)
            raise BudgetError(
                f"{budget:,} bytes are too few to keep any of the {self.structure} of a "
                f"{rows} × {cols} matrix with their positions: it needs at least {least:,} bytes, "
                f"a keep of {format_keep(least / (rows * cols * itemsize))}."
            )
        return best, kept


def _integer_bytes(largest: int) -> int:
    # Mirrors `matrices.row_decoding.smallest_integer`, which imports torch.
    return 1 if largest < 2**8 else 2 if largest < 2**15 else 4 if largest < 2**31 else 8


def _largest(sizes: Tensor, count: int) -> Tensor:
    """Return a mask of the `count` largest values; ties go to the first."""
    flat = sizes.flatten()
    smallest = flat.float().kthvalue(len(flat) - count + 1).values.to(flat.dtype)
    kept, equal = flat > smallest, flat == smallest
    # Ties are common among 16-bit entries, so the choice must be deterministic.
    wanted = count - kept.sum()
    kept |= equal & (equal.cumsum(0) <= wanted)
    return kept.view_as(sizes)
