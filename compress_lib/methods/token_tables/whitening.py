"""Token tables in coordinates in which an error costs the same in every direction.

With Σ_v f_v (e_v − ê_v)ᵀ M (e_v − ê_v) to be small: E M^½ V, V the eigenvectors of
M^½ Eᵀ diag(f) E M^½. There the cost is the plain squared error of each row times f_v, the columns
are uncorrelated and sorted by what they carry, so that rounding them one by one is the best that
rounding can do, and leaving out the last ones is the weighted low-rank approximation.
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
"""The least eigenvalue of a metric, as a share of the largest."""


@dataclass(frozen=True)
class WhitenedTable:
    """A table E = `values` · diag(√`energy`) · `frame`.

    Attributes:
        values: `[rows, cols]` in float32; every column has a weighted mean square of 1, or is 0.
        frame: `[cols, cols]` in float64, whose rows all cost the same.
        energy: `[cols]` in float64, falling: the cost of a column's mean square of 1.
        importance: f `[rows]` in float64.
        norms: `[cols]` in float64, what a unit error in a column of E itself costs.
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
        """Turn a table.

        Args:
            weight: `[rows, cols]`.
            importance: f `[rows]`, positive, mean 1.
            moment: `[cols, cols]`, or None for equal directions.
            shrinkage: λ in M = λ · mean diagonal · I + (1 − λ) · moment.

        Raises:
            CompressionError: The weight is not finite.
        """
        check_finite(weight)
        f = importance.to(weight.device)
        root, inverse, norms = _metric(weight, moment, shrinkage)
        rooted = f.sqrt()
        gram = torch.zeros_like(root)
        for rows, scale in zip(weight.split(CHUNK), rooted.split(CHUNK), strict=True):
            wide = scale[:, None] * rows.double()
            gram.addmm_(wide.T, wide)
        found, vectors = torch.linalg.eigh(root @ (gram / len(weight)) @ root)
        energy, vectors = found.flip(0).clamp_min(0), vectors.flip(1)
        sizes = energy.sqrt()
        # A column without energy is zero either way; nothing is divided by it.
        used = sizes > TINY * sizes[0]
        turn = root @ vectors * torch.where(used, 1 / sizes.clamp_min(1e-300), 0.0)
        values = torch.cat([(rows.double() @ turn).float() for rows in weight.split(CHUNK)])
        energy = torch.where(used, energy, 0.0)
        return cls(values, vectors.T @ inverse, energy, f, norms)

    def spectrum(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each direction of some rows carries, falling, and the directions.

        Args:
            ids: `[n]`.

        Returns:
            `[cols]` and `[cols, cols]`, a direction in every column, in float64.
        """
        rows = self.coefficients[ids].double() * (self.importance[ids, None] * self.variance).sqrt()
        energy, vectors = torch.linalg.eigh(rows.T @ rows)
        return energy.flip(0).clamp_min(0), vectors.flip(1)

    def low_rank(self, ids: Tensor, vectors: Tensor, dtype: torch.dtype) -> LowRankMatrix:
        """Return rows `ids` `[n]` projected on directions `[cols, rank]`."""
        left = (self.coefficients[ids].double() * self.variance.sqrt()) @ vectors
        factors = balance(left.float(), (vectors.T @ self.basis).float())
        return LowRankMatrix.from_factors(*factors, dtype)

    def refit(self, stored: Tensor, weight: Tensor, before: Tensor) -> Tensor:
        """Return the basis `[width, cols]` with the least cost for values as they are stored.

        Whatever M is, it is the weighted least squares solution, so that rounding that shrinks
        or shifts a column is made up for as far as a basis can.

        Args:
            stored: `[rows, width]`.
            weight: `[rows, cols]`.
            before: `[width, cols]`, the basis that columns keep if they carry nothing.
        """
        width = stored.shape[1]
        gram = torch.zeros(width, width, dtype=torch.float64, device=stored.device)
        mixed = torch.zeros(width, weight.shape[1], dtype=torch.float64, device=stored.device)
        for ids in torch.arange(len(weight), device=stored.device).split(CHUNK):
            some = stored[ids].double()
            scaled = self.importance[ids, None] * some
            gram.addmm_(scaled.T, some)
            mixed.addmm_(scaled.T, weight[ids].double())
        pull = 1e-6 * gram.diagonal().mean().clamp_min(1e-30)
        gram.diagonal().add_(pull)
        basis: Tensor = torch.linalg.solve(gram, mixed + pull * before)
        return basis


def _metric(
    weight: Tensor, moment: Tensor | None, shrinkage: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return M^½, M^−½ and M's diagonal, M scaled to a mean diagonal of 1."""
    cols = weight.shape[1]
    same = torch.eye(cols, dtype=torch.float64, device=weight.device)
    if moment is None:
        return same, same, same.diagonal()
    wide = moment.to(weight.device).double()
    mean = wide.diagonal().mean().clamp_min(1e-30)
    metric = shrinkage * same + (1 - shrinkage) * wide / mean
    values, vectors = torch.linalg.eigh(metric)
    roots = values.clamp_min(TINY * values[-1]).sqrt()
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T, metric.diagonal()


def energy_of_eights(
    coordinates: WhitenedTable, weight: Tensor, blocks: Sequence[Tensor]
) -> tuple[list[list[float]], list[list[float]]]:
    """Return what leaving out eight columns costs, by block of rows and then by columns.

    Args:
        coordinates: Of the table.
        weight: The table `[rows, cols]`.
        blocks: The rows of each block.

    Returns:
        In the coordinates, made to fall along every block, and in the table's own columns, where
        all eights of a block get the same.
    """
    turned, plain = [], []
    for ids in blocks:
        f = coordinates.importance[ids, None]
        energy = (f * coordinates.coefficients[ids].double().square()).sum(0) * coordinates.variance
        turned.append(_by_eights(energy).flip(0).cummax(0).values.flip(0).tolist())
        own = (f * weight[ids].double().square()).sum(0) * coordinates.norms
        plain.append(_by_eights(own.mean().expand(len(own))).tolist())
    return turned, plain


def _by_eights(energy: Tensor) -> Tensor:
    filled: Tensor = torch.nn.functional.pad(energy, (0, -len(energy) % EIGHT))
    return filled.reshape(-1, EIGHT).sum(1)
