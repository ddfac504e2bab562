"""Matrix factorizations shared by the low-rank methods.

The singular vectors come from the eigenvectors of the smaller Gram matrix: for a 49152 × 576
embedding this is a 576 × 576 problem. It is solved in float64, because forming the Gram matrix
squares the condition number.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from compress_lib.errors import CompressionError


def check_finite(weight: Tensor) -> None:
    """Reject a matrix that contains NaN or infinity.

    Raises:
        CompressionError: An entry is not finite; the message counts them.
    """
    bad = int((~torch.isfinite(weight)).sum())
    if bad:
        rows, cols = weight.shape
        raise CompressionError(
            f"The {rows} × {cols} weight has {bad:,} entries that are not finite (NaN or "
            "infinity) and cannot be compressed. Load an intact checkpoint."
        )


def gram(matrix: Tensor, chunk: int = 8192) -> Tensor:
    """Return `matrixᵀ matrix` `[cols, cols]` in float64.

    Args:
        matrix: `[rows, cols]`.
        chunk: Rows processed at a time.
    """
    total = torch.zeros(matrix.shape[1], matrix.shape[1], dtype=torch.float64, device=matrix.device)
    for rows in matrix.split(chunk):
        rows64 = rows.double()
        total.addmm_(rows64.T, rows64)
    return total


def top_right_vectors(matrix: Tensor, rank: int) -> Tensor:
    """Return the leading right singular vectors, `[rank, cols]` in float64.

    Args:
        matrix: `[rows, cols]`.
        rank: Number of vectors, at most min(rows, cols).
    """
    if matrix.shape[0] < matrix.shape[1]:
        # Map the left singular vectors of the smaller side to the right. For zero singular values,
        # QR fills in arbitrary orthonormal vectors.
        left = torch.linalg.eigh(gram(matrix.T))[1].flip(1)[:, :rank]
        basis: Tensor = torch.linalg.qr(matrix.double().T @ left)[0]
        return basis.T.contiguous()
    _, vectors = torch.linalg.eigh(gram(matrix))
    leading: Tensor = vectors.flip(1)[:, :rank].T.contiguous()
    return leading


def truncate_svd(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the rank-`rank` factors with the least Frobenius error.

    Args:
        weight: `[rows, cols]`, any floating dtype.
        rank: At most min(rows, cols).

    Returns:
        left `[rows, rank]` and right `[rank, cols]` in float32; the singular values are split
        evenly between them, so that both keep their precision in 16 bits.

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
    """Return factors of W with the least Frobenius error of `diag(scale) W`.

    Args:
        weight: W `[rows, cols]`.
        scale: `[rows]`, positive.
        rank: At most min(rows, cols).

    Returns:
        left `[rows, rank]` and right `[rank, cols]`; their product approximates W itself.

    Raises:
        CompressionError: The weight is not finite.
    """
    check_finite(weight)
    scaled = weight.double() * (scale.double() / scale.double().mean())[:, None]
    # The optimal right projector P also applies to the unscaled W: diag(s)⁻¹ diag(s) W P = W P,
    # so there is no division by a small scale.
    right = top_right_vectors(scaled, rank).float()
    return balance(weight.float() @ right.T, right)


def output_basis(weight: Tensor, moment: Tensor, rank: int) -> Tensor:
    """Return the `rank` leading eigenvectors of `W C Wᵀ`, `[rows, rank]` in float64.

    Args:
        weight: W `[rows, cols]` in float64.
        moment: C `[cols, cols]` in float64, positive semi-definite up to rounding.
        rank: At most min(rows, cols).
    """
    rows, cols = weight.shape
    if rows <= cols:
        eigenvectors: Tensor = torch.linalg.eigh(weight @ moment @ weight.T)[1]
        return eigenvectors.flip(1)[:, :rank].contiguous()
    # W C^½ maps eigenvectors of the smaller C^½ Wᵀ W C^½ to eigenvectors of W C Wᵀ.
    values, vectors = torch.linalg.eigh(moment)
    half = vectors * values.clamp_min(0).sqrt()
    small = half.T @ (weight.T @ weight) @ half
    leading = torch.linalg.eigh(small)[1].flip(1)[:, :rank]
    # QR fills in orthonormal vectors for directions of zero energy.
    basis: Tensor = torch.linalg.qr(weight @ (half @ leading))[0]
    return basis


def balance(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Rescale each left column and its right row to equal norms; the product is unchanged.

    Args:
        left: `[rows, rank]`.
        right: `[rank, cols]`.
    """
    column, row = left.norm(dim=0), right.norm(dim=1)
    usable = (column > 0) & (row > 0)
    ratio = torch.where(usable, (row / column.clamp_min(1e-30)).sqrt(), torch.ones_like(row))
    return left * ratio, right / ratio[:, None]


def two_sided_bases(
    weight: Tensor, rows: Tensor, cols: Tensor, row_shrinkage: float, col_shrinkage: float
) -> dict[str, Tensor]:
    """Return the SVD of R W L, transformed back to a factorization of W.

    R and L are roots of the shrunk moments: Rᵀ R = rows, L Lᵀ = cols.

    Args:
        weight: W `[rows, cols]`.
        rows: Positive semi-definite: a diagonal `[rows]`, a matrix `[rows, rows]` or a block
            diagonal `[blocks, n, n]`.
        cols: `[cols, cols]`, positive semi-definite.
        row_shrinkage: Shrinkage of `rows` towards the mean of its diagonal.
        col_shrinkage: Shrinkage of `cols` towards the mean of its diagonal.

    Returns:
        left `[rows, k]` and right `[k, cols]`, whose product is the weight, and energy `[k]`, the
        squared singular values in descending order; all in float32, k = min(rows, cols).
    """
    weight64 = weight.double()
    lower = lower_root(damp(cols, col_shrinkage))
    upper = _upper_root(rows, row_shrinkage)
    whitened = row_side(upper, weight64 @ lower)
    # Decompose the smaller side only and obtain the other factor by applying its vectors to W, so
    # that the larger root is never inverted.
    if weight.shape[0] >= weight.shape[1]:
        energy, vectors = torch.linalg.eigh(whitened.T @ whitened)
        vectors = vectors.flip(1)
        left = weight64 @ (lower @ vectors)
        right = torch.linalg.solve_triangular(lower, vectors.T, upper=False, left=False)
    else:
        energy, vectors = torch.linalg.eigh(whitened @ whitened.T)
        vectors = vectors.flip(1)
        right = vectors.T @ row_side(upper, weight64)
        left = _solve(upper, vectors)
    bases = {"left": left, "right": right, "energy": energy.flip(0).clamp_min(0)}
    return {name: tensor.float().contiguous() for name, tensor in bases.items()}


def row_side(side: Tensor, matrix: Tensor) -> Tensor:
    """Apply the row factor of a Kronecker product to a matrix.

    Args:
        side: A diagonal `[rows]`, a matrix `[rows, rows]` or a block diagonal `[blocks, n, n]`.
        matrix: `[rows, cols]`.
    """
    if side.ndim == 1:
        return side[:, None] * matrix
    if side.ndim == 2:
        return side @ matrix
    stacked: Tensor = side @ matrix.unflatten(0, (len(side), -1))
    return stacked.flatten(0, 1)


def damp(side: Tensor, shrinkage: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """Shrink a matrix towards a multiple of the identity; return the identity for a zero matrix.

    Args:
        side: `[n, n]`, or the blocks `[blocks, n, n]` of a block diagonal.
        shrinkage: From 0 to 1; the trace is preserved.
        dtype: The dtype of the result, which has the same shape.
    """
    matrix = side.to(dtype)
    mean = matrix.diagonal(dim1=-2, dim2=-1).mean()
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device).expand_as(
        matrix
    )
    if float(mean) <= 0:
        return identity.clone()
    return (1 - shrinkage) * matrix + shrinkage * mean * identity


def lower_root(side: Tensor) -> Tensor:
    """Return the Cholesky factor L with L Lᵀ = side, `[n, n]` or `[blocks, n, n]` in float64.

    Rounding in float32 sums can make a matrix slightly indefinite; the smallest sufficient jitter
    from a geometric sequence is then added to its diagonal.

    Raises:
        CompressionError: The matrix is not finite or not positive semi-definite.
    """
    mean = float(side.diagonal(dim1=-2, dim2=-1).mean())
    identity = torch.eye(side.shape[-1], dtype=side.dtype, device=side.device)
    limit = mean if mean > 0 else 1.0
    jitter = 0.0
    while True:
        factor: Tensor
        factor, failed = torch.linalg.cholesky_ex(side + jitter * identity)
        if not bool(failed.any()) and math.isfinite(mean):
            return factor
        if not math.isfinite(mean) or jitter >= limit:
            raise CompressionError(
                "The statistics are not finite or not positive. Collect them again."
            )
        jitter = 10 * jitter if jitter else 1e-10 * limit


def _upper_root(side: Tensor, shrinkage: float) -> Tensor:
    """Return R with Rᵀ R = side: a diagonal `[rows]`, or upper triangular like `side`."""
    if side.ndim > 1:
        return lower_root(damp(side, shrinkage)).mT
    diagonal = side.double()
    mean = diagonal.mean()
    return (
        torch.ones_like(diagonal) if float(mean) <= 0 else diagonal.clamp_min(1e-9 * mean)
    ).sqrt()


def _solve(root: Tensor, matrix: Tensor) -> Tensor:
    """Return R⁻¹ matrix `[rows, cols]`."""
    if root.ndim == 1:
        return matrix / root[:, None]
    parts: Tensor = matrix if root.ndim == 2 else matrix.unflatten(0, (len(root), -1))
    solution: Tensor = torch.linalg.solve_triangular(root, parts, upper=True)
    return solution if root.ndim == 2 else solution.flatten(0, 1)
