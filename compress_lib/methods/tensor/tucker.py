"""Tucker decomposition of a matrix whose rows are folded, by attention head or evenly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.methods.base import Method, Preview, option, register
from compress_lib.utils.formatting import format_keep
from compress_lib.utils.progress import Event, Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.statistics import Statistics
    from compress_lib.models.targets import Target

Triple = tuple[int, int, int]

GROWTH = ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
"""Modes whose ranks may grow together: two where `_cap` stops either one from growing alone."""

TOLERANCE = 1e-4
"""HOOI stops when an iteration lowers the relative error by less than this."""


@register
@dataclass(frozen=True, kw_only=True)
class Tucker(Method):
    """Tucker decomposition of a tensor `[n1, n2, cols]`: a core and one factor per mode.

    Rows are folded to `[n1, n2]`. The factors start as the leading singular vectors of every mode
    (HOSVD) and are refined one mode at a time (HOOI). The ranks are a common fraction of the three
    sizes, then grown one by one while the budget lasts.

    Source: Tucker 1966, doi:10.1007/BF02289464; De Lathauwer et al. 2000,
    doi:10.1137/S0895479898346995 (HOOI). Folding as in Banaei et al. 2023, arXiv 2302.04045.
    """

    name: ClassVar[str] = "tucker"
    label: ClassVar[str] = "Tucker decomposition"
    summary: ClassVar[str] = "Folds rows into heads and decomposes the resulting 3-way tensor."
    paper: ClassVar[str] = "Tucker 1966, De Lathauwer et al. 2000"
    relative_cost: ClassVar[float] = 0.3

    head_dim: int = option(
        0,
        "Head size",
        "Rows per fold; 0 = the attention head size, or an even split.",
        minimum=0,
    )
    iterations: int = option(
        3, "Iterations", "Maximum HOOI iterations; 0 = HOSVD only.", minimum=0, maximum=1000
    )

    def for_target(self, target: Target) -> Method:
        """See `Method.for_target`: the target's head size, unless `head_dim` is set."""
        return self if self.head_dim else replace(self, head_dim=target.head_dim or 0)

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`."""
        sizes = self._sizes(shape)
        ranks = self._ranks(shape, budget, itemsize)
        core, tensor = (" × ".join(str(number) for number in triple) for triple in (ranks, sizes))
        nbytes = _numbers(ranks, sizes) * itemsize
        return Preview(budget, nbytes, note=f"core {core} of {tensor}", solution=(sizes, ranks))

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        import torch

        from compress_lib.matrices.factored.tucker import TuckerMatrix
        from compress_lib.methods.linalg import check_finite

        check_finite(weight)
        rows = weight.shape[0]
        sizes, ranks = preview.solution
        padding = (0, 0, 0, sizes[0] * sizes[1] - rows)
        tensor = torch.nn.functional.pad(weight.float(), padding).reshape(sizes)
        core, factors = _decompose(tensor, ranks, self.iterations, report)
        # The core has the norm of the weight, which may overflow 16 bits; spread its scale over
        # core and factors.
        scale = float(core.abs().max()) ** 0.25 or 1.0
        factors = [factor * scale for factor in factors]
        return TuckerMatrix.from_factors(core / scale**3, factors, rows, weight.dtype)

    def _sizes(self, shape: tuple[int, int]) -> Triple:
        rows, cols = shape
        if self.head_dim > rows:
            raise CompressionError(
                f"The option head_dim must be at most the {rows} rows of a {rows} × {cols} "
                f"matrix, not {self.head_dim}."
            )
        return (*_fold(rows, self.head_dim), cols)

    def _ranks(self, shape: tuple[int, int], budget: int, itemsize: int) -> Triple:
        sizes = self._sizes(shape)
        ranks = largest_ranks(sizes, budget // itemsize)
        if ranks is None:
            (rows, cols), least = shape, _numbers((1, 1, 1), sizes) * itemsize
            raise BudgetError(
                f"{budget:,} bytes are too few for ranks 1, 1, 1 of a {rows} × {cols} matrix "
                f"folded to {sizes[0]} × {sizes[1]} × {cols}: it needs at least {least:,} bytes, a "
                f"keep of {format_keep(least / (rows * cols * itemsize))}."
            )
        return ranks


def _fold(rows: int, head_dim: int) -> tuple[int, int]:
    """Return n1 and n2; their product is the number of rows, or slightly more if padded."""
    if head_dim:
        return -(-rows // head_dim), head_dim
    root = math.isqrt(rows)
    for smaller in range(root, root // 2, -1):
        if rows % smaller == 0 and rows <= 2 * smaller * smaller:
            return smaller, rows // smaller
    longer = math.isqrt(rows - 1) + 1
    return -(-rows // longer), longer


def _numbers(ranks: Sequence[int], sizes: Sequence[int]) -> int:
    """Return the number of entries of core and factors."""
    return math.prod(ranks) + sum(rank * size for rank, size in zip(ranks, sizes, strict=True))


def _cap(ranks: Sequence[int]) -> Triple:
    """Cap each rank at the product of the other two, the most that a core can use."""
    a, b, c = ranks
    return min(a, b * c), min(b, a * c), min(c, a * b)


@cache
def largest_ranks(sizes: Triple, numbers: int) -> Triple | None:
    """Return the ranks of the largest Tucker decomposition that fits.

    Args:
        sizes: n1, n2, n3.
        numbers: Budget, in stored numbers.

    Returns:
        The largest common fraction of all sizes that fits, then grown rank by rank, the smallest
        fraction rank ÷ size first; None if not even ranks of 1 fit.
    """
    ranks: Triple = (1, 1, 1)
    if _numbers(ranks, sizes) > numbers:
        return None
    best = 0.0
    for size in sizes:
        low, high = 0, size
        while low < high:
            middle = (low + high + 1) // 2
            fits = _numbers(_scale(sizes, middle, size), sizes) <= numbers
            low, high = (middle, high) if fits else (low, middle - 1)
        if low / size > best:
            ranks, best = _scale(sizes, low, size), low / size
    while True:
        grown = [
            (len(modes), sum(ranks[mode] / sizes[mode] for mode in modes), larger)
            for modes in GROWTH
            for larger in [_grow(ranks, modes)]
            if larger == _cap(larger)
            and all(rank <= size for rank, size in zip(larger, sizes, strict=True))
            and _numbers(larger, sizes) <= numbers
        ]
        if not grown:
            return ranks
        ranks = min(grown)[2]


def _scale(sizes: Triple, numerator: int, denominator: int) -> Triple:
    """Return the ranks at the fraction `numerator ÷ denominator` of all sizes."""
    return _cap([max(1, size * numerator // denominator) for size in sizes])


def _grow(ranks: Triple, modes: tuple[int, ...]) -> Triple:
    a, b, c = (rank + (mode in modes) for mode, rank in enumerate(ranks))
    return a, b, c


def _decompose(
    tensor: Tensor, ranks: Triple, iterations: int, report: Report
) -> tuple[Tensor, list[Tensor]]:
    """HOOI: return the core and orthonormal factors `[size, rank]` of a tensor `[n1, n2, n3]`."""
    step, steps = 0, 3 * (1 + iterations)

    def leading(projected: Tensor, mode: int) -> Tensor:
        """Return the leading singular vectors `[size, rank]` of the unfolding along a mode."""
        from compress_lib.methods.linalg import top_right_vectors

        nonlocal step
        report(Event(step / steps, f"Tucker: singular vectors of mode {mode + 1}"))
        step += 1
        unfolded = projected.movedim(mode, -1).flatten(0, 1)
        return top_right_vectors(unfolded, ranks[mode]).float().T

    factors = [leading(tensor, mode) for mode in range(3)]
    core = _project(tensor, factors)
    norm, error = _norm(tensor) or 1.0, math.inf
    for _ in range(iterations):
        for mode in range(3):
            projected = _project(tensor, factors, skip=mode)
            factors[mode] = leading(projected, mode)
        # Only the last mode is still missing from the last projection.
        core = projected @ factors[2]
        # Factors are orthonormal: the error is the norm that the core lacks.
        before, error = error, math.sqrt(max(0.0, 1 - (_norm(core) / norm) ** 2))
        if not before - error > TOLERANCE:
            break
    return core, factors


def _norm(tensor: Tensor) -> float:
    """Return the Frobenius norm; one float32 sum of millions of squares would be off by 1e-3."""
    return float(tensor.flatten(1).norm(dim=1).double().norm())


def _project(tensor: Tensor, factors: Sequence[Tensor], skip: int | None = None) -> Tensor:
    """Multiply every mode of a tensor, or all but `skip`, by its transposed factor."""
    for mode, factor in enumerate(factors):
        # Each step moves the first mode to the end; after three steps the order is restored.
        tensor = (
            tensor.movedim(0, -1)
            if mode == skip
            else (tensor.flatten(1).T @ factor).view(*tensor.shape[1:], factor.shape[1])
        )
    return tensor
