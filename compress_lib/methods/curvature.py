"""Second-order (K-FAC) estimate of the loss increase caused by an error in a weight.

The estimate makes all methods and all weights comparable. Near an optimum, an error δ in a weight
increases the loss of a model by ½ δᵀ H δ. As in K-FAC, H is approximated by a Kronecker product,
or a sum of two, of second moments of the rows and of the columns, estimated on calibration text.
For a layer y = W x these are G = E[g gᵀ], g = ∂loss/∂y, and C = E[x xᵀ], so that an error Δ costs
½ tr(G Δ C Δᵀ) nats per token.

An embedding matrix has one term per use. As an LM head, G is diagonal to a good approximation,
E[p (1 − p)] for a token of probability p, and C is the second moment of the last hidden state. As
an embedding lookup, G is the diagonal of token frequencies, and C is the second moment of the
gradient with respect to the looked-up vectors.

Both factors are shrunk slightly towards multiples of the identity, because calibration text is
short and errors in several layers interact: without shrinkage, an error in a direction that the
text rarely excites would be free. Measured on the layers of the default model, in nats: 4-bit GPTQ
cost 0.105, round-to-nearest 0.210, and a two-sided factorization at a uniform keep of 0.8 1.027.
The estimates were 0.048, 0.424 and 0.449 without shrinkage and 0.160, 0.424 and 1.493 with it: all
too high by a similar factor, hence comparable. The token diagonals of an embedding are shrunk
half-way to their mean, because other texts use other words: tiers at keep 0.25, 0.18 and 0.125
cost 0.023, 0.065 and 0.196; the estimates were 0.005, 0.014 and 0.032 without shrinkage and 0.021,
0.073 and 0.192 with it.

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
"""Added to the mean p (1 − p) of each token, so that tokens that are never probable still count."""


@dataclass(frozen=True)
class KroneckerTerm:
    """Kronecker product of a row factor and a column factor.

    Attributes:
        rows: A diagonal `[rows]`, a matrix `[rows, rows]` or a block diagonal `[blocks, n, n]`.
        cols: `[cols, cols]`.
    """

    rows: Tensor
    cols: Tensor


@dataclass(frozen=True)
class Curvature:
    """Hessian of the loss with respect to a weight, as a sum of Kronecker products."""

    terms: tuple[KroneckerTerm, ...]

    def damped(self) -> Curvature:
        """Return a copy shrunk towards the identity by the default amounts."""
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
        """Return the estimated loss increase, in nats per token, of an error `[rows, cols]`."""
        # Products in float32 are twice as fast and accurate enough; sums need float64.
        error32 = error.float()
        total = 0.0
        for term in self.terms:
            rows, cols = (side.to(error32.device).float() for side in (term.rows, term.cols))
            products = (row_side(rows, error32) @ cols) * error32
            total += 0.5 * float(products.sum(dim=1).double().sum())
        return total

    def as_single_term(self) -> KroneckerTerm:
        """Return one Kronecker product near the sum, its sides weighted by each other's trace.

        For closed forms, which cannot handle a sum. Both terms of an embedding have nearly the same
        row factor: tokens that are often read are often predicted.
        """
        if len(self.terms) == 1:
            return self.terms[0]
        sides = [(term.rows.double(), term.cols.double()) for term in self.terms]
        rows = torch.stack([rows * _trace(cols) for rows, cols in sides]).sum(0)
        cols = torch.stack([cols * _trace(rows) for rows, cols in sides]).sum(0)
        # Give the product the same trace as the sum.
        scale = sum(_trace(rows) * _trace(cols) for rows, cols in sides)
        trace = _trace(rows) * _trace(cols)
        return KroneckerTerm(rows * (scale / trace) if trace > 0 else rows, cols)


def replacement_loss(matrix: CompressedMatrix, weight: Tensor, statistics: Statistics) -> float:
    """Return the estimated loss increase, in nats per token, of replacing a weight by a matrix.

    Args:
        matrix: The replacement; its bias is included if the mean of the layer's inputs is known.
        weight: `[rows, cols]`.
        statistics: The fields named by `statistics.curvature_needs`.
    """
    hessian = curvature(statistics).damped()
    error = matrix.to_dense().to(weight.device) - weight.float()
    loss = hessian.loss(error)
    if matrix.bias is None or not statistics.has("mean"):
        return loss
    # E[(Δ x + b)(Δ x + b)ᵀ] is the covariance of Δ x plus the outer product of the mean Δ μ + b.
    term = hessian.terms[0]
    shrinkage = TABLE_SHRINKAGE if term.rows.ndim == 1 else INPUT_SHRINKAGE
    shift = error.double() @ statistics.require("mean").to(weight.device).double()
    shifted = shift + matrix.bias.detach().to(weight.device).double()
    rows = term.rows.to(weight.device).double()
    before, after = (
        0.5 * float((row_side(rows, mean[:, None])[:, 0] * mean).sum()) for mean in (shift, shifted)
    )
    return loss + after - (1 - shrinkage) * before


def curvature(statistics: Statistics) -> Curvature:
    """Return the curvature of a weight, from the statistics named by `statistics.curvature_needs`.

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
