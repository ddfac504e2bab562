"""Few bits for rare tokens and for directions that carry little, many for the others."""

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
"""Steps of all tiers may take about one byte in so many."""

WIDTHS = 12
"""How many widths of the stored basis are tried."""


@register
@dataclass(frozen=True, kw_only=True)
class Tiered(TokenTableMethod):
    """Gives every eight columns of every tier of tokens the bits that save most per byte.

    The table is turned into coordinates in which all errors cost alike, and the basis stored.
    Low rank is the case of columns without any bits.

    Source: reverse water-filling, Cover & Thomas, Elements of Information Theory, 10.3.3, over
    the coordinates of `token_metric`.
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
        """Return the bits that a code may have, rising.

        Raises:
            CompressionError: `bits` is no list of numbers from 1 to 8.
        """
        words = [word.strip() for word in self.bits.split(",")]
        if not all(word in tuple("12345678") for word in words):
            raise CompressionError(
                f"The option bits must be numbers from 1 to 8 with commas between them, such as "
                f"8,4,2; not {self.bits!r}."
            )
        return sorted({int(word) for word in words})

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: all of the budget, up to what the widest codes take."""
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
        report(Event(0.0, "Tiers: the directions that matter"))
        coordinates = self.coordinates(weight, statistics)
        order = coordinates.importance.argsort(descending=True, stable=True)
        tiers = [ids.sort().values for ids in order.split(sizes)]
        left = preview.budget - members_bytes(weight.shape[0], len(sizes))
        width, layout = self._layout(weight, coordinates, tiers, left)
        values = coordinates.coefficients[:, :width] if width else weight.float()
        numbers = torch.empty_like(order)
        blocks = []
        for index, (ids, bits) in enumerate(zip(tiers, layout.bits, strict=True)):
            report(Event(0.3 + 0.6 * index / len(tiers), f"Tiers: rounding tier {index + 1}"))
            numbers[ids] = index
            blocks.append(round_columns(values[ids], bits, weight.dtype))
        matrix = BlocksMatrix.of(blocks, numbers)
        if not width:
            return matrix
        report(Event(0.9, "Tiers: fitting the basis"))
        before = coordinates.variance[:width, None].sqrt() * coordinates.basis[:width]
        return RotatedMatrix.of(matrix, coordinates.refit(matrix.to_dense(), weight, before))

    def _sizes(self, shape: tuple[int, int], budget: int, itemsize: int) -> list[int]:
        """Return the rows of each tier: fewer tiers where their steps would take too much.

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
        """Return how many columns are stored in another basis, 0 for the table's own, and bits.

        The basis has to be stored, and a narrow one leaves more for the codes.
        """
        from compress_lib.methods.token_tables.bit_allocation import EIGHT, fill, least_bytes
        from compress_lib.methods.token_tables.whitening import energy_of_eights

        cols, itemsize = weight.shape[1], weight.element_size()
        sizes, widths = [len(ids) for ids in tiers], self.widths()
        turned, plain = energy_of_eights(coordinates, weight, tiers)
        found = [(0, fill(plain, sizes, cols, widths=widths, budget=budget, itemsize=itemsize))]
        eights = len(turned[0])
        for tried in sorted({-(-eights * index // WIDTHS) for index in range(1, WIDTHS + 1)}):
            width = min(EIGHT * tried, cols)
            left = budget - width * cols * itemsize
            if left < least_bytes(sizes, width, widths[0], itemsize):
                break
            some = [energies[:tried] for energies in turned]
            layout = fill(some, sizes, width, widths=widths, budget=left, itemsize=itemsize)
            dropped = sum(sum(energies[tried:]) for energies in turned)
            found.append((width, layout.with_loss(dropped)))
        return min(found, key=lambda item: item[1].loss)
