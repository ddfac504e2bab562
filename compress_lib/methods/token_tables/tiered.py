"""Tiered quantization: bits by token frequency and by importance of the direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import CompressionError
from compress_lib.methods.base import Preview, option, register
from compress_lib.methods.token_tables.base import TokenTableMethod, block_ends, too_few_bytes
from compress_lib.utils.packed_sizes import members_bytes
from compress_lib.utils.progress import Event, Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.statistics import Statistics
    from compress_lib.methods.token_tables.bit_allocation import Layout
    from compress_lib.methods.token_tables.whitening import WhitenedTable

STEP_SHARE = 50
"""Step sizes of all tiers may take at most about 1/50 of the budget."""

WIDTHS = 12
"""Number of candidate widths of the stored basis."""


@register
@dataclass(frozen=True, kw_only=True)
class Tiered(TokenTableMethod):
    """Quantization with bits allocated per token tier and group of eight columns.

    Bits go where they reduce the weighted error most per byte. The matrix is rotated into
    coordinates in which all errors cost the same, unless storing their basis costs more than it
    saves. Columns with zero bits are dropped, which makes low rank a special case.

    Source: reverse water-filling, Cover & Thomas, Elements of Information Theory, 10.3.3, over
    the coordinates of `WhitenedTable`.
    """

    name: ClassVar[str] = "tiered"
    label: ClassVar[str] = "Tiered quantization"
    summary: ClassVar[str] = (
        "Allocates bits to tokens by frequency and to directions by importance."
    )
    paper: ClassVar[str] = "reverse water-filling; tiers after Chen et al. 2018 (GroupReduce)"

    tiers: int = option(16, "Tiers", "Number of token tiers.", minimum=1, maximum=64)
    bits: str = option(
        "1,2,3,4,5,6,7,8",
        "Bits",
        "Allowed bits per code, from 1 to 8, comma-separated.",
    )

    def __post_init__(self) -> None:
        self.widths()

    def widths(self) -> list[int]:
        """Return the allowed bits per code, ascending.

        Raises:
            CompressionError: `bits` is not a list of numbers from 1 to 8.
        """
        parts = [part.strip() for part in self.bits.split(",")]
        if not all(part in tuple("12345678") for part in parts):
            raise CompressionError(
                f"The option bits must be comma-separated numbers from 1 to 8, such as 8,4,2, not "
                f"{self.bits!r}."
            )
        return sorted({int(part) for part in parts})

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: the budget, capped at the size with the widest codes."""
        from compress_lib.methods.token_tables.bit_allocation import full_bytes

        rows, cols = shape
        sizes = self._sizes(shape, budget, itemsize)
        widths = self.widths()
        most = full_bytes(sizes, cols, widths[-1], itemsize) + cols * cols * itemsize
        most += members_bytes(rows, len(sizes))
        spread = f"{widths[0]} to {widths[-1]}" if len(widths) > 1 else f"{widths[0]}"
        note = f"{len(sizes)} tiers, {spread} bits"
        return Preview(budget, min(budget, most), note=note, is_upper_bound=True, solution=sizes)

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        import torch

        from compress_lib.matrices.rotated import RotatedMatrix
        from compress_lib.matrices.row_blocks import BlocksMatrix
        from compress_lib.methods.token_tables.column_rounding import round_columns

        sizes: list[int] = preview.solution
        report(Event(0.0, "Tiers: computing the basis"))
        coordinates = self.coordinates(weight, statistics)
        order = coordinates.importance.argsort(descending=True, stable=True)
        tiers = [ids.sort().values for ids in order.split(sizes)]
        budget = preview.budget - members_bytes(weight.shape[0], len(sizes))
        width, layout = self._layout(weight, coordinates, tiers, budget)
        values = coordinates.coefficients[:, :width] if width else weight.float()
        tier_of = torch.empty_like(order)
        blocks = []
        for index, (ids, bits) in enumerate(zip(tiers, layout.bits, strict=True)):
            report(Event(0.3 + 0.6 * index / len(tiers), f"Tiers: rounding tier {index + 1}"))
            tier_of[ids] = index
            blocks.append(round_columns(values[ids], bits, weight.dtype))
        matrix = BlocksMatrix.of(blocks, tier_of)
        if not width:
            return matrix
        report(Event(0.9, "Tiers: fitting the basis"))
        before = coordinates.variance[:width, None].sqrt() * coordinates.basis[:width]
        return RotatedMatrix.of(matrix, coordinates.refit(matrix.to_dense(), weight, before))

    def _sizes(self, shape: tuple[int, int], budget: int, itemsize: int) -> list[int]:
        """Return the rows of each tier, with fewer tiers if step sizes would take too much.

        Raises:
            BudgetError: Not even one tier fits.
        """
        from compress_lib.methods.token_tables.bit_allocation import least_bytes

        rows, cols = shape
        most = min(self.tiers, max(1, budget // (STEP_SHARE * cols * itemsize)))
        least = 0
        for count in range(most, 0, -1):
            ends = block_ends(rows, count)
            sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
            least = members_bytes(rows, len(sizes))
            least += least_bytes(sizes, cols, self.widths()[0], itemsize)
            if least <= budget:
                return sizes
        raise too_few_bytes(budget, least, shape, itemsize)

    def _layout(
        self, weight: Tensor, coordinates: WhitenedTable, tiers: list[Tensor], budget: int
    ) -> tuple[int, Layout]:
        """Return the width of the stored basis and the bit allocation; width 0 stores no basis.

        The basis takes bytes, so a narrow one, or none, leaves more for the codes.
        """
        from compress_lib.methods.token_tables.bit_allocation import EIGHT, fill, least_bytes
        from compress_lib.methods.token_tables.whitening import energy_of_eights

        cols, itemsize = weight.shape[1], weight.element_size()
        sizes, widths = [len(ids) for ids in tiers], self.widths()
        rotated, plain = energy_of_eights(coordinates, weight, tiers)
        layout = fill(plain, sizes, cols, widths=widths, budget=budget, itemsize=itemsize)
        candidates = [(0, layout)]
        groups = len(rotated[0])
        for kept in sorted({-(-groups * index // WIDTHS) for index in range(1, WIDTHS + 1)}):
            width = min(EIGHT * kept, cols)
            remaining = budget - width * cols * itemsize
            if remaining < least_bytes(sizes, width, widths[0], itemsize):
                break
            energies = [row[:kept] for row in rotated]
            layout = fill(
                energies, sizes, width, widths=widths, budget=remaining, itemsize=itemsize
            )
            dropped = sum(sum(row[kept:]) for row in rotated)
            candidates.append((width, layout.with_loss(dropped)))
        return min(candidates, key=lambda item: item[1].loss)
