"""Blocks of tokens by frequency, each with a basis and a rank of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import Preview, option, register
from compress_lib.methods.token_tables.base import TokenTableMethod, block_ends, too_few_bytes
from compress_lib.utils.packed_sizes import members_bytes
from compress_lib.utils.progress import Event, Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.statistics import Statistics


@register
@dataclass(frozen=True, kw_only=True)
class GroupReduce(TokenTableMethod):
    """Factorizes blocks of equally important tokens, with ranks by what a byte saves.

    The paper sets ranks in proportion to a block's mean frequency; here the next rank goes to
    the block in which it saves most of the weighted error per byte, until the budget is spent.

    Source: Chen et al. 2018 (GroupReduce), arXiv 1806.06950.
    """

    name: ClassVar[str] = "group_reduce"
    label: ClassVar[str] = "GroupReduce"
    summary: ClassVar[str] = (
        "Partitions tokens into blocks by importance and factorizes each block at its own rank."
    )
    paper: ClassVar[str] = "Chen et al. 2018 (GroupReduce)"

    blocks: int = option(8, "Blocks", "Number of token blocks.", minimum=1, maximum=64)

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: all of the budget, up to full ranks."""
        rows, cols = shape
        most = 0
        splits = self._splits(shape, budget, itemsize)
        for sizes in splits:
            full = sum(min(size, cols) * (size + cols) for size in sizes) * itemsize
            most = max(most, full + members_bytes(rows, len(sizes)))
        note = f"at most {self.blocks} blocks" if self.blocks > 1 else "1 block"
        return Preview(budget, min(budget, most), note=note, is_upper_bound=True, solution=splits)

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        import torch

        from compress_lib.matrices.row_blocks import BlocksMatrix

        rows, cols = weight.shape
        splits: list[list[int]] = preview.solution
        coordinates = self.coordinates(weight, statistics)
        order = coordinates.importance.argsort(descending=True, stable=True)
        best: tuple[float, list[Tensor], list[Tensor]] | None = None
        for index, sizes in enumerate(splits):
            report(Event(0.2 + 0.8 * index / len(splits), f"GroupReduce: {len(sizes)} blocks"))
            blocks = [ids.sort().values for ids in order.split(sizes)]
            spectra = [coordinates.spectrum(ids) for ids in blocks]
            energies = [energy.tolist() for energy, _ in spectra]
            left = preview.budget - members_bytes(rows, len(sizes))
            ranks, loss = best_ranks(energies, sizes, cols, left // weight.element_size())
            if best is None or loss < best[0]:
                kept = [found[:, :rank] for (_, found), rank in zip(spectra, ranks, strict=True)]
                best = loss, blocks, kept
        assert best is not None
        numbers = torch.empty_like(order)
        parts = []
        for index, (ids, vectors) in enumerate(zip(*best[1:], strict=True)):
            numbers[ids] = index
            parts.append(coordinates.low_rank(ids, vectors, weight.dtype))
        return BlocksMatrix.of(parts, numbers)

    def _splits(self, shape: tuple[int, int], budget: int, itemsize: int) -> list[list[int]]:
        """Return the sizes of blocks to be tried: as many as asked for, half as many, …, one.

        A basis for every block may cost more than it saves.

        Raises:
            BudgetError: Not even one block of rank 1 fits.
        """
        rows, cols = shape
        found, least, count = [], 0, self.blocks
        while count:
            sizes = [end - start for start, end in pairwise([0, *block_ends(rows, count)])]
            least = members_bytes(rows, len(sizes)) + (rows + len(sizes) * cols) * itemsize
            if least <= budget:
                found.append(sizes)
            count //= 2
        if not found:
            raise too_few_bytes(budget, least, shape, itemsize)
        return found


def best_ranks(
    energies: Sequence[Sequence[float]], sizes: Sequence[int], cols: int, numbers: int
) -> tuple[list[int], float]:
    """Spend a budget where the next rank saves most for what it takes; every block gets one.

    Args:
        energies: By block, what each direction carries, falling.
        sizes: Rows of each block.
        cols: Of all blocks.
        numbers: How many may be stored in all factors.

    Returns:
        The ranks, and what is lost.
    """
    ranks = [1] * len(sizes)
    left = numbers - sum(size + cols for size in sizes)
    steps = [
        (-energy / (size + cols), block, index)
        for block, (size, spectrum) in enumerate(zip(sizes, energies, strict=True))
        for index, energy in enumerate(spectrum[: min(size, cols)])
        if index
    ]
    for _, block, index in sorted(steps):
        cost = sizes[block] + cols
        if cost <= left and ranks[block] == index:
            ranks[block] += 1
            left -= cost
    loss = sum(sum(found[rank:]) for found, rank in zip(energies, ranks, strict=True))
    return ranks, loss
