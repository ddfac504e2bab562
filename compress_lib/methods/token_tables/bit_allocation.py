"""How many bits each part of a table gets: reverse water-filling over blocks and columns.

Source: rate allocation at equal slopes, Cover & Thomas, Elements of Information Theory, 10.3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

UNIFORM_ERROR = (1.0, 0.3634, 0.1188, 0.03744, 0.01154, 0.003495, 0.001041, 3.035e-4, 8.714e-5)
"""The mean squared error of rounding a normal variable to 2^bits evenly spaced values, by bits.

Source: Max 1960, Quantizing for minimum distortion, table II; beyond 5 bits by minimising.
"""

UNIFORM_STEP = (0.0, 1.596, 0.9957, 0.586, 0.3352, 0.1881, 0.1041, 0.05687, 0.03076)
"""The distance of those values, by bits; same source."""

EIGHT = 8
"""Columns that get their bits together: eight codes fill whole bytes."""


@dataclass(frozen=True)
class Layout:
    """Bits of a table's parts.

    Attributes:
        bits: By block of rows, then by eight columns.
        loss: What is expected to be lost.
        nbytes: Of codes and steps.
    """

    bits: list[list[int]]
    loss: float
    nbytes: int

    def with_loss(self, more: float) -> Layout:
        """Return the same with more lost elsewhere."""
        return replace(self, loss=self.loss + more)


def least_bytes(sizes: Sequence[int], cols: int, width: int, itemsize: int) -> int:
    """Return the bytes of `width`-bit codes of the first eight columns, and of their steps."""
    return sum(size * width + min(EIGHT, cols) * itemsize for size in sizes)


def full_bytes(sizes: Sequence[int], cols: int, width: int, itemsize: int) -> int:
    """Return the bytes of `width`-bit codes of all columns, and of their steps."""
    return sum(size * width * -(-cols // EIGHT) + cols * itemsize for size in sizes)


def fill(
    energy: Sequence[Sequence[float]],
    sizes: Sequence[int],
    cols: int,
    *,
    widths: Sequence[int],
    budget: int,
    itemsize: int,
) -> Layout:
    """Spend a budget where each byte saves most.

    Args:
        energy: By block, then by eight columns, what is lost where nothing is stored; falling
            along a block.
        sizes: Rows of each block.
        cols: Columns that may be stored; the last of `energy` may stand for fewer than eight.
        widths: The bits that a code may have, rising.
        budget: Bytes of codes and steps; at least `least_bytes`.
        itemsize: Bytes of a step.
    """
    levels = [0, *widths]
    eights = len(energy[0])
    bits = [[0] * eights for _ in sizes]
    steps = [(min(cols, EIGHT * (e + 1)) - EIGHT * e) * itemsize for e in range(eights)]
    left = budget - least_bytes(sizes, cols, widths[0], itemsize)
    for row in bits:
        row[0] = widths[0]
    rises: list[tuple[float, int, int, int, int, int]] = []
    for block, (size, energies) in enumerate(zip(sizes, energy, strict=True)):
        for before, after in pairwise(levels):
            gain = UNIFORM_ERROR[before] - UNIFORM_ERROR[after]
            for eight, amount in enumerate(energies):
                cost = size * (after - before) + (0 if before else steps[eight])
                slope = amount * gain / (size * (after - before))
                rises.append((-slope, block, eight, before, after, cost))
    # Errors fall by less with every bit, so the order of slopes is that of levels, too. One that
    # does not fit leaves room for others, though not for what would have come on top of it.
    rises.sort()
    for _, block, eight, before, after, cost in rises:
        row = bits[block]
        fits = cost <= left and row[eight] == before
        if fits and (eight == 0 or row[eight - 1] >= after):
            row[eight] = after
            left -= cost
    loss = sum(
        amount * UNIFORM_ERROR[given]
        for energies, row in zip(energy, bits, strict=True)
        for amount, given in zip(energies, row, strict=True)
    )
    return Layout(bits, loss, budget - left)
