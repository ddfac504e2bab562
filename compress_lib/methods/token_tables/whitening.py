"""Whitened coordinates of an embedding: errors cost the same in every direction.

To minimise Σ_v f_v (e_v − ê_v)ᵀ M (e_v − ê_v), the coordinates are E M^½ V, with V the
eigenvectors of M^½ Eᵀ diag(f) E M^½. In them the cost is f_v times the plain squared error of
each row, and the columns are uncorrelated and sorted by energy. Rounding them one by one is
therefore the best that scalar rounding can do, and dropping the last ones is the optimal weighted
low-rank approximation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_lib.matrices import LowRankMatrix
from compress_lib.matrices.base import CHUNK
from compress_lib.methods.linalg import balance, check_finite
from compress_lib.methods.token_tables.bit_allocation import EIGHT

TINY = 1e-10
"""Relative floor: of the metric's eigenvalues, and of the columns' standard deviations."""


@dataclass(frozen=True)
class WhitenedTable:
    """Factorization E = `coefficients` · diag(√`variance`) · `basis` of an embedding.

    Attributes:
        coefficients: `[rows, cols]` in float32; every column has weighted mean square 1, or is 0.
        basis: `[cols, cols]` in float64; an error along any row costs the same.
        variance: `[cols]` in float64, descending: the cost of dropping a column, per row.
        importance: f `[rows]` in float64.
        norms: `[cols]` in float64, the cost of a unit error in a column of E itself.
    """

    coefficients: Tensor
    basis: Tensor
    variance: Tensor
    importance: Tensor
    norms: Tensor

    @classmethod
    def of(
        cls, weight: Tensor, importance: Tensor, moment: Tensor | None, shrinkage: float
    ) -> WhitenedTable:
        """Compute the whitened coordinates of a matrix.

        Args:
            weight: `[rows, cols]`.
            importance: f `[rows]`, positive, with mean 1.
            moment: `[cols, cols]`, or None to weight all directions equally.
            shrinkage: λ in M = λ · mean diagonal · I + (1 − λ) · moment.

        Raises:
            CompressionError: The weight is not finite.
        """
        check_finite(weight)
        f = importance.to(weight.device)
        root, inverse, norms = _metric(weight, moment, shrinkage)
        row_scales = f.sqrt()
        gram = torch.zeros_like(root)
        for rows, scale in zip(weight.split(CHUNK), row_scales.split(CHUNK), strict=True):
            scaled = scale[:, None] * rows.double()
            gram.addmm_(scaled.T, scaled)
        eigenvalues, vectors = torch.linalg.eigh(root @ (gram / len(weight)) @ root)
        variance, vectors = eigenvalues.flip(0).clamp_min(0), vectors.flip(1)
        deviations = variance.sqrt()
        # Columns without energy become 0 instead of being divided by 0.
        used = deviations > TINY * deviations[0]
        rotation = root @ vectors * torch.where(used, 1 / deviations.clamp_min(1e-300), 0.0)
        values = torch.cat([(rows.double() @ rotation).float() for rows in weight.split(CHUNK)])
        variance = torch.where(used, variance, 0.0)
        return cls(values, vectors.T @ inverse, variance, f, norms)

    def spectrum(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted energies and principal directions of some rows.

        Args:
            ids: `[n]` row indices.

        Returns:
            Energies `[cols]`, descending, and directions `[cols, cols]`, one per column, in
            float64.
        """
        rows = self.coefficients[ids].double() * (self.importance[ids, None] * self.variance).sqrt()
        energy, vectors = torch.linalg.eigh(rows.T @ rows)
        return energy.flip(0).clamp_min(0), vectors.flip(1)

    def low_rank(self, ids: Tensor, vectors: Tensor, dtype: torch.dtype) -> LowRankMatrix:
        """Return the low-rank factors of some rows projected on some directions.

        Args:
            ids: `[n]` row indices.
            vectors: `[cols, rank]`, directions from `spectrum`.
            dtype: Type of the stored factors.
        """
        left = (self.coefficients[ids].double() * self.variance.sqrt()) @ vectors
        factors = balance(left.float(), (vectors.T @ self.basis).float())
        return LowRankMatrix.from_factors(*factors, dtype)

    def refit(self, stored: Tensor, weight: Tensor, before: Tensor) -> Tensor:
        """Return the basis `[width, cols]` of least cost for the rounded coefficients.

        It is the weighted least squares solution, which does not depend on M, and corrects
        columns that rounding shrank or shifted as far as a basis can.

        Args:
            stored: `[rows, width]`, the rounded coefficients.
            weight: `[rows, cols]`, the original matrix.
            before: `[width, cols]`, the basis to regularise towards; all-zero columns keep it.
        """
        width = stored.shape[1]
        gram = torch.zeros(width, width, dtype=torch.float64, device=stored.device)
        mixed = torch.zeros(width, weight.shape[1], dtype=torch.float64, device=stored.device)
        for ids in torch.arange(len(weight), device=stored.device).split(CHUNK):
            chunk = stored[ids].double()
            scaled = self.importance[ids, None] * chunk
            gram.addmm_(scaled.T, chunk)
            mixed.addmm_(scaled.T, weight[ids].double())
        damping = 1e-6 * gram.diagonal().mean().clamp_min(1e-30)
        gram.diagonal().add_(damping)
        basis: Tensor = torch.linalg.solve(gram, mixed + damping * before)
        return basis


def _metric(
    weight: Tensor, moment: Tensor | None, shrinkage: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return M^½, M^−½ and the diagonal of M, with M scaled to a mean diagonal of 1."""
    cols = weight.shape[1]
    identity = torch.eye(cols, dtype=torch.float64, device=weight.device)
    if moment is None:
        return identity, identity, identity.diagonal()
    moment = moment.to(weight.device).double()
    mean = moment.diagonal().mean().clamp_min(1e-30)
    metric = shrinkage * identity + (1 - shrinkage) * moment / mean
    values, vectors = torch.linalg.eigh(metric)
    roots = values.clamp_min(TINY * values[-1]).sqrt()
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T, metric.diagonal()


def energy_of_eights(
    coordinates: WhitenedTable, weight: Tensor, blocks: Sequence[Tensor]
) -> tuple[list[list[float]], list[list[float]]]:
    """Return the cost of dropping each group of eight columns, by block of rows.

    Args:
        coordinates: Whitened coordinates of the matrix.
        weight: The matrix itself, `[rows, cols]`.
        blocks: Row indices of each block.

    Returns:
        Costs in the whitened coordinates, made non-increasing within every block, and costs in
        the original columns, averaged over the groups of a block.
    """
    rotated, plain = [], []
    for ids in blocks:
        f = coordinates.importance[ids, None]
        energy = (f * coordinates.coefficients[ids].double().square()).sum(0) * coordinates.variance
        rotated.append(_by_eights(energy).flip(0).cummax(0).values.flip(0).tolist())
        costs = (f * weight[ids].double().square()).sum(0) * coordinates.norms
        plain.append(_by_eights(costs.mean().expand(len(costs))).tolist())
    return rotated, plain


def _by_eights(energy: Tensor) -> Tensor:
    padded: Tensor = torch.nn.functional.pad(energy, (0, -len(energy) % EIGHT))
    return padded.reshape(-1, EIGHT).sum(1)
