"""Bit allocation by reverse water-filling over blocks of rows and groups of columns.

Source: rate allocation at equal slopes, Cover & Thomas, Elements of Information Theory, 10.3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

UNIFORM_ERROR = (1.0, 0.3634, 0.1188, 0.03744, 0.01154, 0.003495, 0.001041, 3.035e-4, 8.714e-5)
"""Mean squared error of the optimal uniform 2^bits-level quantizer of a unit normal, by bits.

Source: Max 1960, Quantizing for minimum distortion, table II; beyond 5 bits by minimising.
"""

UNIFORM_STEP = (0.0, 1.596, 0.9957, 0.586, 0.3352, 0.1881, 0.1041, 0.05687, 0.03076)
"""Step size of that quantizer, by bits; same source."""

EIGHT = 8
"""Columns in a group that shares its bits: eight codes fill whole bytes."""


@dataclass(frozen=True)
class Layout:
    """Bit allocation of a matrix.

    Attributes:
        bits: Bits per code, by block of rows, then by group of eight columns.
        loss: Predicted weighted squared error.
        nbytes: Bytes of codes and step sizes.
    """

    bits: list[list[int]]
    loss: float
    nbytes: int

    def with_loss(self, extra: float) -> Layout:
        """Return a copy with an extra loss added, such as that of dropped columns."""
        return replace(self, loss=self.loss + extra)


def least_bytes(sizes: Sequence[int], cols: int, width: int, itemsize: int) -> int:
    """Return the bytes of codes and step sizes of the first eight columns only.

    Args:
        sizes: Rows of each block.
        cols: Number of columns.
        width: Bits per code.
        itemsize: Bytes of a step size.
    """
    return sum(size * width + min(EIGHT, cols) * itemsize for size in sizes)


def full_bytes(sizes: Sequence[int], cols: int, width: int, itemsize: int) -> int:
    """Return the bytes of codes and step sizes of all columns.

    Args:
        sizes: Rows of each block.
        cols: Number of columns.
        width: Bits per code.
        itemsize: Bytes of a step size.
    """
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
    """Allocate a byte budget greedily where each byte reduces the error most.

    Args:
        energy: Weighted error without any bits, by block, then by group of eight columns; must
            not increase within a block.
        sizes: Rows of each block.
        cols: Columns that may be stored; the last group may have fewer than eight.
        widths: Allowed bits per code, ascending.
        budget: Bytes of codes and step sizes; at least `least_bytes`.
        itemsize: Bytes of a step size.
    """
    levels = [0, *widths]
    groups = len(energy[0])
    bits = [[0] * groups for _ in sizes]
    step_bytes = [(min(cols, EIGHT * (g + 1)) - EIGHT * g) * itemsize for g in range(groups)]
    remaining = budget - least_bytes(sizes, cols, widths[0], itemsize)
    for block_bits in bits:
        block_bits[0] = widths[0]
    upgrades: list[tuple[float, int, int, int, int, int]] = []
    for block, (size, energies) in enumerate(zip(sizes, energy, strict=True)):
        for before, after in pairwise(levels):
            gain = UNIFORM_ERROR[before] - UNIFORM_ERROR[after]
            for group, amount in enumerate(energies):
                cost = size * (after - before) + (0 if before else step_bytes[group])
                slope = amount * gain / (size * (after - before))
                upgrades.append((-slope, block, group, before, after, cost))
    # Each further bit gains less, so sorting by slope keeps the levels of a group in order. An
    # upgrade that does not fit is skipped, and with it all later ones of the same group.
    upgrades.sort()
    for _, block, group, before, after, cost in upgrades:
        block_bits = bits[block]
        fits = cost <= remaining and block_bits[group] == before
        if fits and (group == 0 or block_bits[group - 1] >= after):
            block_bits[group] = after
            remaining -= cost
    loss = sum(
        amount * UNIFORM_ERROR[width]
        for energies, block_bits in zip(energy, bits, strict=True)
        for amount, width in zip(energies, block_bits, strict=True)
    )
    return Layout(bits, loss, budget - remaining)
