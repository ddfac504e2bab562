"""Kronecker product approximation in closed form: the SVD of the rearranged matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.methods.base import Method, Preview, option, register
from compress_lib.utils.formatting import format_keep
from compress_lib.utils.progress import Event, Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.matrices.factored.kronecker import KroneckerMatrix
    from compress_lib.methods.statistics import Statistics

LARGEST_SIDE = 1536
"""Largest Gram matrix to decompose: this size takes a second, and the time grows cubically."""

STEP = 0.003
"""Learning rate of the refinement, relative to each factor's root mean square."""


@dataclass(frozen=True)
class _Layout:
    """Factor sizes: left `[terms, a1, a2]`, right `[terms, b1, b2]`."""

    a1: int
    a2: int
    b1: int
    b2: int
    terms: int

    @property
    def numbers_per_term(self) -> int:
        """Count of stored numbers per term."""
        return self.a1 * self.a2 + self.b1 * self.b2


@register
@dataclass(frozen=True, kw_only=True)
class Kronecker(Method):
    """Sum of Kronecker products Σ_t A_t ⊗ B_t with the least squared error.

    The blocks `[b1, b2]` of W, each flattened to a row, form a matrix `[a1 · a2, b1 · b2]` in
    which a Kronecker product is an outer product, so its truncated SVD is optimal.

    Source: Van Loan and Pitsianis 1993, doi:10.1007/978-94-015-8196-7_17. The loss of the
    refinement follows Banaei et al. 2023, arXiv 2302.04045.
    """

    name: ClassVar[str] = "kronecker"
    label: ClassVar[str] = "Kronecker products"
    summary: ClassVar[str] = "Approximates a matrix by a sum of Kronecker products, in closed form."
    paper: ClassVar[str] = "Van Loan & Pitsianis 1993"

    left_rows: int = option(
        0,
        "Left rows",
        "Rows of each left factor, a divisor of the matrix's rows; 0 = automatic.",
        minimum=0,
    )
    left_cols: int = option(
        0,
        "Left columns",
        "Columns of each left factor, a divisor of the matrix's columns; 0 = automatic.",
        minimum=0,
    )
    terms: int = option(0, "Terms", "Number of products in the sum; 0 = as many as fit.", minimum=0)
    refine_steps: int = option(
        0,
        "Refinement steps",
        "Adam steps on the direction of rows after the closed-form solution.",
        minimum=0,
        maximum=100_000,
    )

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`."""
        layout = self._layout(shape, budget, itemsize)
        factors = f"({layout.a1} × {layout.a2}) ⊗ ({layout.b1} × {layout.b2})"
        note = f"{layout.terms} × {factors}"
        nbytes = layout.terms * layout.numbers_per_term * itemsize
        return Preview(budget, nbytes, note=note, solution=layout)

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.matrices.factored.kronecker import KroneckerMatrix
        from compress_lib.methods.linalg import truncate_svd

        layout: _Layout = preview.solution
        a1, a2, b1, b2 = layout.a1, layout.a2, layout.b1, layout.b2
        folded = weight.reshape(a1, b1, a2, b2).transpose(1, 2)
        rearranged = folded.reshape(a1 * a2, b1 * b2)
        left, right = truncate_svd(rearranged, layout.terms)
        closed = KroneckerMatrix.from_factors(
            left.T.reshape(-1, a1, a2),
            right.reshape(-1, b1, b2),
            weight.dtype,
        )
        if not self.refine_steps:
            return closed
        refined = _refine(closed, weight, self.refine_steps, report)
        return min(closed, refined, key=lambda matrix: _direction_error(weight, matrix))

    def _layout(self, shape: tuple[int, int], budget: int, itemsize: int) -> _Layout:
        rows, cols = shape
        for value, size, axis in ((self.left_rows, rows, "rows"), (self.left_cols, cols, "cols")):
            if value and size % value:
                allowed = ", ".join(str(divisor) for divisor in _divisors(size))
                raise CompressionError(
                    f"The option left_{axis} must divide the {size} {axis} of a "
                    f"{rows} × {cols} matrix, but {value} does not. Allowed: {allowed}, or 0."
                )
        a1, a2 = _left_factor(rows, cols, self.left_rows, self.left_cols)
        one = _Layout(a1, a2, rows // a1, cols // a2, 1)
        most = min(a1 * a2, one.b1 * one.b2)
        terms = min(self.terms or budget // (one.numbers_per_term * itemsize), most)
        least = max(terms, 1) * one.numbers_per_term * itemsize
        if terms < 1 or least > budget:
            raise BudgetError(
                f"{budget:,} bytes are too few to store a {rows} × {cols} matrix as "
                f"{max(terms, 1)} × ({a1} × {a2}) ⊗ ({one.b1} × {one.b2}): it needs at least "
                f"{least:,} bytes, a keep of {format_keep(least / (rows * cols * itemsize))}."
            )
        return _Layout(a1, a2, one.b1, one.b2, terms)


@cache
def _divisors(number: int) -> tuple[int, ...]:
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return tuple(sorted({*small, *(number // d for d in small)}))


@cache
def _left_factor(rows: int, cols: int, left_rows: int, left_cols: int) -> tuple[int, int]:
    """Choose the left factor's size from the divisors, where it is not given.

    Prefers a rearranged matrix that is as square as the time for its SVD allows, then factors
    with the aspect ratio of the matrix itself.
    """

    def score(a1: int, a2: int) -> tuple[bool, int, float]:
        left = a1 * a2
        side = min(left, rows * cols // left)
        skew = abs(math.log(a1 * a1 / rows)) + abs(math.log(a2 * a2 / cols))
        fast = side <= LARGEST_SIDE
        return fast, side if fast else -side, -skew

    heights = (left_rows,) if left_rows else _divisors(rows)
    widths = (left_cols,) if left_cols else _divisors(cols)
    return max(((a1, a2) for a1 in heights for a2 in widths), key=lambda size: score(*size))


def _direction_error(weight: Tensor, matrix: KroneckerMatrix) -> float:
    from compress_lib.matrices.reconstruction_error import row_errors

    return float(row_errors(weight, matrix).direction.mean())


def _refine(start: KroneckerMatrix, weight: Tensor, steps: int, report: Report) -> KroneckerMatrix:
    """Refine both factors with Adam on mean(1 − cos) of the rows + relative squared error."""
    import torch

    from compress_lib.matrices.factored.kronecker import KroneckerMatrix

    (_, a1, a2), (_, b1, b2) = start.left.shape, start.right.shape
    with torch.inference_mode(False), torch.enable_grad():
        # Autograd rejects inference-mode tensors, but accepts copies of them.
        target = weight.clone().float()
        total = target.square().sum().clamp_min(1e-30)
        left, right = (f.detach().clone().requires_grad_() for f in (start.left, start.right))
        groups = [{"params": [f], "lr": STEP * _rms(f)} for f in (left, right)]
        optimizer = torch.optim.Adam(groups)
        for step in range(steps):
            report(Event(step / steps, f"Refining Kronecker factors: step {step + 1} of {steps}"))
            folded = (left.flatten(1).T @ right.flatten(1)).view(a1, a2, b1, b2)
            decoded = folded.transpose(1, 2).reshape(target.shape)
            cosine = torch.cosine_similarity(decoded, target, dim=1, eps=1e-6)
            loss = (1 - cosine).mean() + (decoded - target).square().sum() / total
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return KroneckerMatrix.from_factors(left, right, weight.dtype)


def _rms(factor: Tensor) -> float:
    return float(factor.detach().square().mean().sqrt().clamp_min(1e-12))
