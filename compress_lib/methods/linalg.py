"""Factorizations that the low-rank methods share.

The eigenvectors of the smaller Gram matrix give the singular vectors of that side: for a
49152 × 576 table this is a 576 × 576 problem. It is solved in float64, because forming the Gram
matrix squares the condition number.
"""

from __future__ import annotations

import math

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


def truncate_svd(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
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
        right, left = truncate_svd(weight.T, rank)
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
        rows: `[rows]` a diagonal, `[rows, rows]`, or `[blocks, n, n]` along a diagonal, positive
            semi-definite.
        cols: `[cols, cols]`, positive semi-definite.
        row_shrinkage: How far `rows` is drawn towards the mean of its diagonal.
        col_shrinkage: The same of `cols`.

    Returns:
        left `[rows, k]`, right `[k, cols]` whose product is the weight, and energy `[k]`, the
        squared singular values, falling; all in float32, k = min(rows, cols).
    """
    wide = weight.double()
    lower = lower_root(damp(cols, col_shrinkage))
    upper = _upper_root(rows, row_shrinkage)
    seen = row_side(upper, wide @ lower)
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
        right = vectors.T @ row_side(upper, wide)
        left = _solve(upper, vectors)
    found = {"left": left, "right": right, "energy": energy.flip(0).clamp_min(0)}
    return {name: tensor.float().contiguous() for name, tensor in found.items()}


def row_side(side: Tensor, matrix: Tensor) -> Tensor:
    """Return what a row's side of a Kronecker product makes of a matrix `[rows, cols]`.

    Args:
        side: `[rows]` a diagonal, `[rows, rows]`, or `[blocks, n, n]` along a diagonal.
        matrix: `[rows, cols]`.
    """
    if side.ndim == 1:
        return side[:, None] * matrix
    if side.ndim == 2:
        return side @ matrix
    stacked: Tensor = side @ matrix.unflatten(0, (len(side), -1))
    return stacked.flatten(0, 1)


def damp(side: Tensor, shrinkage: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """Draw a matrix towards a multiple of the identity; where it is zero, return the identity.

    Args:
        side: `[n, n]`, or `[blocks, n, n]` along a diagonal.
        shrinkage: From 0 to 1; the trace stays.
        dtype: Of the result, which has the same shape.
    """
    wide = side.to(dtype)
    mean = wide.diagonal(dim1=-2, dim2=-1).mean()
    identity = torch.eye(wide.shape[-1], dtype=wide.dtype, device=wide.device).expand_as(wide)
    if float(mean) <= 0:
        return identity.clone()
    return (1 - shrinkage) * wide + shrinkage * mean * identity


def lower_root(side: Tensor) -> Tensor:
    """Return L with L Lᵀ = side, lower triangular, `[n, n]` or `[blocks, n, n]` in float64.

    Sums of float32 products may leave a matrix a little less than positive: then as much is
    added to its diagonal as it takes.
    """
    mean = float(side.diagonal(dim1=-2, dim2=-1).mean())
    identity = torch.eye(side.shape[-1], dtype=side.dtype, device=side.device)
    limit = mean if mean > 0 else 1.0
    added = 0.0
    while True:
        factor: Tensor
        factor, failed = torch.linalg.cholesky_ex(side + added * identity)
        if not bool(failed.any()) and math.isfinite(mean):
            return factor
        if not math.isfinite(mean) or added >= limit:
            raise CompressionError("The statistics are not finite or not positive; gather anew.")
        added = 10 * added if added else 1e-10 * limit


def _upper_root(side: Tensor, shrinkage: float) -> Tensor:
    """Return R with Rᵀ R = side: a diagonal `[rows]`, or upper triangles as `side` has blocks."""
    if side.ndim > 1:
        return lower_root(damp(side, shrinkage)).mT
    wide = side.double()
    mean = wide.mean()
    return (torch.ones_like(wide) if float(mean) <= 0 else wide.clamp_min(1e-9 * mean)).sqrt()


def _solve(root: Tensor, matrix: Tensor) -> Tensor:
    """Return R⁻¹ times a matrix `[rows, cols]`."""
    if root.ndim == 1:
        return matrix / root[:, None]
    parts: Tensor = matrix if root.ndim == 2 else matrix.unflatten(0, (len(root), -1))
    found: Tensor = torch.linalg.solve_triangular(root, parts, upper=True)
    return found if root.ndim == 2 else found.flatten(0, 1)
