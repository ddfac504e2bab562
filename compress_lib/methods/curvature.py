"""How much the loss minds an error in a weight: one currency for all methods and all weights.

Near its optimum the loss of a model grows by ½ δᵀ H δ with an error δ in a weight. As in K-FAC,
H is taken for a Kronecker product, or a sum of two, of what calibration text says about rows and
about columns. For a layer y = W x these are G = E[g gᵀ], g = ∂loss/∂y, and C = E[x xᵀ], so that an
error Δ costs ½ tr(G Δ C Δᵀ) nats a token.

A token table has two ends. Where it gives the logits, G is diagonal to a good approximation,
E[p (1 − p)] for a token of probability p, and C is the second moment of the last hidden state.
Where tokens are looked up, a row is used as often as its token occurs, and C is the second moment
of the gradient at what is looked up.

Both sides are drawn a little towards multiples of the identity, because calibration text is short
and errors in several layers meet: what a method hides where the text hardly looked is not free.
Measured on the default model's layers, in nats: GPTQ in 4 bits cost 0.105, plain rounding 0.210
and a two-sided factorization at keep 0.8 with equal shares 1.027. Without shrinkage they were
estimated at 0.048, 0.424 and 0.449, with it at 0.160, 0.424 and 1.493: all too high by a like
factor, so that they can be compared. Tokens of a table are drawn half-way to each other: tiers at
keep 0.25, 0.18 and 0.125 cost 0.023, 0.065 and 0.196, and were estimated at 0.005, 0.014 and 0.032
without, at 0.021, 0.073 and 0.192 with it. Other texts have other words.

Source: Martens & Grosse 2015 (K-FAC), arXiv 1503.05671.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from compress_lib.methods.linalg import damp, row_side
from compress_lib.methods.row_importance import SMOOTHING, smoothed_counts
from compress_lib.methods.statistics import (
    INPUT_SHRINKAGE,
    OUTPUT_GRADIENT,
    OUTPUT_SHRINKAGE,
    TABLE_SHRINKAGE,
    TOKEN_SHRINKAGE,
    Statistics,
)

if TYPE_CHECKING:
    from compress_lib.matrices import CompressedMatrix

LEAST_VARIANCE = 1e-9
"""Added to a token's mean p (1 − p): what never was likely is still part of the table."""


@dataclass(frozen=True)
class KroneckerTerm:
    """One Kronecker product.

    Attributes:
        rows: `[rows]` a diagonal, `[rows, rows]`, or `[blocks, n, n]` along a diagonal.
        cols: `[cols, cols]`.
    """

    rows: Tensor
    cols: Tensor


@dataclass(frozen=True)
class Curvature:
    """The second derivative of the loss in a weight, as a sum of Kronecker products."""

    terms: tuple[KroneckerTerm, ...]

    def damped(self) -> Curvature:
        """Return it drawn towards the identity as far as is usual."""
        return Curvature(
            tuple(
                KroneckerTerm(
                    (1 - TOKEN_SHRINKAGE) * term.rows + TOKEN_SHRINKAGE * term.rows.mean(),
                    damp(term.cols, TABLE_SHRINKAGE, torch.float32),
                )
                if term.rows.ndim == 1
                else KroneckerTerm(
                    damp(term.rows, OUTPUT_SHRINKAGE, torch.float32),
                    damp(term.cols, INPUT_SHRINKAGE, torch.float32),
                )
                for term in self.terms
            )
        )

    def loss(self, error: Tensor) -> float:
        """Return the estimated growth of the loss, in nats a token, by an error `[rows, cols]`."""
        # Single precision is enough for products, and twice as fast; sums of them take more.
        single = error.float()
        total = 0.0
        for term in self.terms:
            rows, cols = (side.to(single.device).float() for side in (term.rows, term.cols))
            seen = (row_side(rows, single) @ cols) * single
            total += 0.5 * float(seen.sum(dim=1).double().sum())
        return total

    def as_single_term(self) -> KroneckerTerm:
        """Return one Kronecker product near the sum: the terms' sides, each weighed by the other.

        For a closed form, which knows no sums. Both terms of a table have nearly the same rows:
        tokens that are often read are often predicted.
        """
        if len(self.terms) == 1:
            return self.terms[0]
        sides = [(term.rows.double(), term.cols.double()) for term in self.terms]
        rows = torch.stack([rows * _trace(cols) for rows, cols in sides]).sum(0)
        cols = torch.stack([cols * _trace(rows) for rows, cols in sides]).sum(0)
        # Scaled so that the product weighs as much as the sum.
        scale = sum(_trace(rows) * _trace(cols) for rows, cols in sides)
        whole = _trace(rows) * _trace(cols)
        return KroneckerTerm(rows * (scale / whole) if whole > 0 else rows, cols)


def replacement_loss(matrix: CompressedMatrix, weight: Tensor, statistics: Statistics) -> float:
    """Return the estimated growth of the loss by a matrix in the place of a weight.

    Args:
        matrix: Its bias counts where the mean of the layer's inputs is known.
        weight: `[rows, cols]`.
        statistics: What `calibration.curvature_needs` names.
    """
    minds = curvature(statistics).damped()
    error = matrix.to_dense().to(weight.device) - weight.float()
    loss = minds.loss(error)
    if matrix.bias is None or not statistics.has("mean"):
        return loss
    # Of Δ x + b, in the place of Δ x, the second moment is that of Δ (x − μ), and of its mean.
    first = minds.terms[0]
    drawn = TABLE_SHRINKAGE if first.rows.ndim == 1 else INPUT_SHRINKAGE
    shift = error.double() @ statistics.require("mean").to(weight.device).double()
    shifted = shift + matrix.bias.detach().to(weight.device).double()
    rows = first.rows.to(weight.device).double()
    before, after = (
        0.5 * float((row_side(rows, mean[:, None])[:, 0] * mean).sum()) for mean in (shift, shifted)
    )
    return loss + after - (1 - drawn) * before


def curvature(statistics: Statistics) -> Curvature:
    """Return what statistics say about a weight's curvature; see `calibration.curvature_needs`.

    Raises:
        CompressionError: A statistic is missing.
    """
    if statistics.has(OUTPUT_GRADIENT):
        rows = statistics.require(OUTPUT_GRADIENT)
        return Curvature((KroneckerTerm(rows, statistics.require("second_moment")),))
    terms = []
    if statistics.has("logit_variance"):
        variance = statistics.require("logit_variance")
        terms.append(KroneckerTerm(variance + LEAST_VARIANCE, statistics.require("second_moment")))
    if statistics.has("lookup_gradient"):
        gradient = statistics.require("lookup_gradient")
        counts = smoothed_counts(statistics.require("row_counts").to(gradient.device), SMOOTHING)
        terms.append(KroneckerTerm(counts / counts.sum(), gradient))
    if not terms:
        statistics.require(OUTPUT_GRADIENT)
    return Curvature(tuple(terms))


def _trace(side: Tensor) -> float:
    return float((side if side.ndim == 1 else side.diagonal(dim1=-2, dim2=-1)).double().sum())
