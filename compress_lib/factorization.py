"""Factorizations that the low-rank methods share.

The eigenvectors of the smaller Gram matrix give the singular vectors of that side: for a
49152 × 576 table this is a 576 × 576 problem. It is solved in float64, because forming the Gram
matrix squares the condition number.
"""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.errors import CompressionError


def check_finite(weight: Tensor) -> None:
    """Refuse a matrix with a NaN or an infinity.

    Raises:
        CompressionError: Some entry is not finite; the message counts them.
    """
    bad = int((~torch.isfinite(weight)).sum())
    if bad:
        rows, cols = weight.shape
        raise CompressionError(
            f"The {rows} × {cols} weight has {bad:,} entries that are not finite (NaN or "
            "infinity), so nothing computed from it would mean anything. Load a sound checkpoint."
        )


def gram(matrix: Tensor, chunk: int = 8192) -> Tensor:
    """Return `matrixᵀ matrix` `[cols, cols]` in float64, by chunks of rows."""
    total = torch.zeros(matrix.shape[1], matrix.shape[1], dtype=torch.float64, device=matrix.device)
    for rows in matrix.split(chunk):
        wide = rows.double()
        total.addmm_(wide.T, wide)
    return total


def top_right_vectors(matrix: Tensor, rank: int) -> Tensor:
    """Return the `rank` leading right singular vectors, `[rank, cols]` in float64."""
    if matrix.shape[0] < matrix.shape[1]:
        # The smaller side again: the vectors are its own, turned by the matrix. Where a singular
        # value is zero, the decomposition fills up with some other orthonormal vector.
        left = torch.linalg.eigh(gram(matrix.T))[1].flip(1)[:, :rank]
        basis: Tensor = torch.linalg.qr(matrix.double().T @ left)[0]
        return basis.T.contiguous()
    _, vectors = torch.linalg.eigh(gram(matrix))
    leading: Tensor = vectors.flip(1)[:, :rank].T.contiguous()
    return leading


def truncated_svd(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the best factors of a rank: least Frobenius error.

    Args:
        weight: `[rows, cols]`, any floating type.
        rank: At most min(rows, cols).

    Returns:
        left `[rows, rank]` and right `[rank, cols]` in float32, sharing the singular values
        evenly, so that both keep their digits in 16 bits.

    Raises:
        CompressionError: The weight is not finite.
    """
    check_finite(weight)
    if weight.shape[0] < weight.shape[1]:
        right, left = truncated_svd(weight.T, rank)
        return left.T, right.T
    right = top_right_vectors(weight, rank)
    return balance(weight.float() @ right.T.float(), right.float())


def row_scaled_svd(weight: Tensor, scale: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the factors with the least error of `diag(scale) W`, the scale undone.

    Args:
        weight: `[rows, cols]`.
        scale: `[rows]`, positive.
        rank: At most min(rows, cols).

    Returns:
        left `[rows, rank]` and right `[rank, cols]`; their product approximates W itself.

    Raises:
        CompressionError: The weight is not finite.
    """
    check_finite(weight)
    scaled = weight.double() * (scale.double() / scale.double().mean())[:, None]
    # The best projector on the right side acts on rows, so it applies to W as it stands:
    # diag(s) W P undone is W P, and nothing is ever divided by a small scale.
    right = top_right_vectors(scaled, rank).float()
    return balance(weight.float() @ right.T, right)


def output_basis(weight: Tensor, moment: Tensor, rank: int) -> Tensor:
    """Return the `rank` leading eigenvectors of `W C Wᵀ`, `[rows, rank]` in float64.

    Args:
        weight: `[rows, cols]` in float64.
        moment: C `[cols, cols]` in float64, positive semi-definite but for rounding.
        rank: At most min(rows, cols).
    """
    rows, cols = weight.shape
    if rows <= cols:
        whole: Tensor = torch.linalg.eigh(weight @ moment @ weight.T)[1]
        return whole.flip(1)[:, :rank].contiguous()
    # W C Wᵀ has the eigenvectors of the smaller C^½ Wᵀ W C^½, turned by W C^½.
    values, vectors = torch.linalg.eigh(moment)
    half = vectors * values.clamp_min(0).sqrt()
    small = half.T @ (weight.T @ weight) @ half
    leading = torch.linalg.eigh(small)[1].flip(1)[:, :rank]
    # Directions without any energy are filled up by the decomposition, which stays orthonormal.
    basis: Tensor = torch.linalg.qr(weight @ (half @ leading))[0]
    return basis


def balance(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Give every pair of a left column and a right row the same norm; the product stays."""
    column, row = left.norm(dim=0), right.norm(dim=1)
    usable = (column > 0) & (row > 0)
    ratio = torch.where(usable, (row / column.clamp_min(1e-30)).sqrt(), torch.ones_like(row))
    return left * ratio, right / ratio[:, None]


def two_sided_bases(
    weight: Tensor, rows: Tensor, cols: Tensor, row_shrinkage: float, col_shrinkage: float
) -> dict[str, Tensor]:
    """Return the singular vectors of R W L, with R and L undone; Rᵀ R = rows, L Lᵀ = cols.

    Args:
        weight: `[rows, cols]`.
        rows: `[rows]` a diagonal, or `[rows, rows]`, positive semi-definite.
        cols: `[cols, cols]`, positive semi-definite.
        row_shrinkage: How far `rows` is drawn towards the mean of its diagonal.
        col_shrinkage: The same of `cols`.

    Returns:
        left `[rows, k]`, right `[k, cols]` whose product is the weight, and energy `[k]`, the
        squared singular values, falling; all in float32, k = min(rows, cols).
    """
    wide = weight.double()
    lower = torch.linalg.cholesky(_shrunk(cols, col_shrinkage))
    upper = _upper_root(rows, row_shrinkage)
    seen = _times(upper, wide @ lower)
    # The vectors of the smaller side only; on the other side stands what they make of W itself,
    # so that the larger root is never inverted.
    if weight.shape[0] >= weight.shape[1]:
        energy, vectors = torch.linalg.eigh(seen.T @ seen)
        vectors = vectors.flip(1)
        left = wide @ (lower @ vectors)
        right = torch.linalg.solve_triangular(lower, vectors.T, upper=False, left=False)
    else:
        energy, vectors = torch.linalg.eigh(seen @ seen.T)
        vectors = vectors.flip(1)
        right = vectors.T @ _times(upper, wide)
        undone = torch.diag(upper) if upper.ndim == 1 else upper
        left = torch.linalg.solve_triangular(undone, vectors, upper=True)
    found = {"left": left, "right": right, "energy": energy.flip(0).clamp_min(0)}
    return {name: tensor.float().contiguous() for name, tensor in found.items()}


def _upper_root(side: Tensor, shrinkage: float) -> Tensor:
    """Return R with Rᵀ R = side, as a diagonal `[rows]` or upper triangular `[rows, rows]`."""
    if side.ndim == 2:
        upper: Tensor = torch.linalg.cholesky(_shrunk(side, shrinkage)).T
        return upper
    wide = side.double()
    mean = wide.mean()
    return (wide.clamp_min(1e-9 * mean) if float(mean) > 0 else torch.ones_like(wide)).sqrt()


def _times(root: Tensor, matrix: Tensor) -> Tensor:
    return root[:, None] * matrix if root.ndim == 1 else root @ matrix


def _shrunk(side: Tensor, shrinkage: float) -> Tensor:
    """Draw a matrix towards a multiple of the identity; where it is zero, return the identity."""
    wide = side.double()
    mean = wide.diagonal().mean()
    identity = torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
    if not float(mean) > 0:
        return identity
    return (1 - shrinkage) * wide + shrinkage * mean * identity
