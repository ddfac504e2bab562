"""GroupReduce: low-rank factorization of token blocks, each with its own basis and rank."""

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
    """Block-wise low-rank factorization of tokens grouped by importance.

    The paper sets ranks in proportion to a block's mean frequency; here the next rank goes to
    the block where it reduces the weighted error most per byte, until the budget is spent.

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
        """See `Method.preview`: the budget, capped at the size with full ranks."""
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
            remaining = preview.budget - members_bytes(rows, len(sizes))
            ranks, loss = best_ranks(energies, sizes, cols, remaining // weight.element_size())
            if best is None or loss < best[0]:
                kept = [basis[:, :rank] for (_, basis), rank in zip(spectra, ranks, strict=True)]
                best = loss, blocks, kept
        assert best is not None
        block_of = torch.empty_like(order)
        parts = []
        for index, (ids, vectors) in enumerate(zip(*best[1:], strict=True)):
            block_of[ids] = index
            parts.append(coordinates.low_rank(ids, vectors, weight.dtype))
        return BlocksMatrix.of(parts, block_of)

    def _splits(self, shape: tuple[int, int], budget: int, itemsize: int) -> list[list[int]]:
        """Return candidate block sizes: `blocks` blocks, half as many, …, one.

        Fewer blocks may win, because a basis per block may cost more than it saves.

        Raises:
            BudgetError: Not even one block of rank 1 fits.
        """
        rows, cols = shape
        splits, least, count = [], 0, self.blocks
        while count:
            sizes = [end - start for start, end in pairwise([0, *block_ends(rows, count)])]
            least = members_bytes(rows, len(sizes)) + (rows + len(sizes) * cols) * itemsize
            if least <= budget:
                splits.append(sizes)
            count //= 2
        if not splits:
            raise too_few_bytes(budget, least, shape, itemsize)
        return splits


def best_ranks(
    energies: Sequence[Sequence[float]], sizes: Sequence[int], cols: int, numbers: int
) -> tuple[list[int], float]:
    """Allocate ranks greedily by error reduction per stored number; every block gets at least one.

    Args:
        energies: Weighted energy of each direction, by block, in descending order.
        sizes: Rows of each block.
        cols: Columns of every block.
        numbers: Budget, in stored numbers of all factors.

    Returns:
        The rank of each block and the total weighted squared error.
    """
    ranks = [1] * len(sizes)
    remaining = numbers - sum(size + cols for size in sizes)
    steps = [
        (-energy / (size + cols), block, index)
        for block, (size, spectrum) in enumerate(zip(sizes, energies, strict=True))
        for index, energy in enumerate(spectrum[: min(size, cols)])
        if index
    ]
    for _, block, index in sorted(steps):
        cost = sizes[block] + cols
        if cost <= remaining and ranks[block] == index:
            ranks[block] += 1
            remaining -= cost
    loss = sum(sum(spectrum[rank:]) for spectrum, rank in zip(energies, ranks, strict=True))
    return ranks, loss
