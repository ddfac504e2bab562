"""Factor encoding: store two factors as numbers, codes or pivots.

The factor rounded first is then fixed, so the other is refitted to it by least squares, which
compensates part of the rounding error. On the layers of the default model this reduces the error
of two 4-bit factors by 15 to 18%, and that of pivoted factors by 20 to 40%.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compress_lib.matrices import CompressedMatrix, DenseMatrix, LowRankMatrix
from compress_lib.matrices.base import check_stored
from compress_lib.matrices.factored.base import as_parameters
from compress_lib.matrices.factored.pivoted import PivotedMatrix
from compress_lib.matrices.factored.product import ProductMatrix
from compress_lib.methods.linalg import balance
from compress_lib.methods.low_rank.pivoting import find_pivots
from compress_lib.methods.low_rank.storage_sizes import FactorStorage, by_columns
from compress_lib.methods.quantization.rounding import quantize

DAMPING = 1e-4
"""Ridge penalty of the least-squares refit towards its starting point, relative to the mean squared
norm of the regressors' rows. Without it, near-null directions would get unbounded coefficients."""


def encode(
    left: Tensor,
    right: Tensor,
    dtype: torch.dtype,
    storage: FactorStorage,
    *,
    offset: Tensor | None = None,
    bias: Tensor | None = None,
) -> CompressedMatrix:
    """Encode `left right + 1 offsetᵀ` in its stored, rounded form.

    Args:
        left: `[rows, rank]`, float32 or wider, with rank at most min(rows, cols).
        right: `[rank, cols]`.
        dtype: The checkpoint's dtype.
        storage: Storage format and bits.
        offset: `[cols]` or None; stored in `dtype`, like `bias`.
        bias: `[rows]` or None.

    Returns:
        A matrix of `storage.nbytes` bytes, plus those of offset and bias.

    Raises:
        CompressionError: A number is not finite, or too large for `dtype`.
    """
    if storage.plain:
        return LowRankMatrix.from_factors(left, right, dtype, offset, bias)
    offset_and_bias = as_parameters(offset, bias, dtype)
    # Reject overflow in `dtype` here, before a decomposition fails on it.
    check_stored([left.to(dtype), right.to(dtype)], (left.shape[0], right.shape[1]), dtype)
    make = _encode_pivoted if storage.pivoted else _encode_product
    return make(left.double(), right.double(), dtype, storage, offset_and_bias)


def encode_matrix(values: Tensor, dtype: torch.dtype, storage: FactorStorage) -> CompressedMatrix:
    """Encode one matrix, such as a factor, as numbers or as codes.

    Args:
        values: `[rows, cols]`.
        dtype: The checkpoint's dtype.
        storage: Storage format and bits.

    Raises:
        CompressionError: A number is not finite, or too large for `dtype`.
    """
    rounded = values.to(dtype)
    check_stored([rounded], values.shape, dtype)
    if not storage.bits or not rounded.numel():
        return DenseMatrix.from_weight(rounded)
    return quantize(rounded, storage.bits, storage.group_of(rounded.shape[1]))


def _encode_product(
    left: Tensor,
    right: Tensor,
    dtype: torch.dtype,
    storage: FactorStorage,
    offset_and_bias: dict[str, nn.Parameter | None],
) -> CompressedMatrix:
    """Round both factors alternately, each refitted to the rounded other one.

    Refitting cannot reduce the error outside the span of a factor's rows. The longer side is fitted
    last, because the span is then the larger fraction of its space.
    """
    left, right = balance(left, right)
    stored_left: CompressedMatrix | None = None
    stored_right: CompressedMatrix | None = None
    tall = left.shape[0] > right.shape[1]
    for left_turn in (tall, not tall, tall):
        if left_turn:
            fitted = left if stored_right is None else refit(left, right, _to_float64(stored_right))
            stored_left = encode_matrix(fitted, dtype, storage)
        else:
            fitted = (
                right
                if stored_left is None
                else refit(right.T, left.T, _to_float64(stored_left).T).T
            )
            stored_right = encode_matrix(fitted, dtype, storage)
    assert stored_left is not None and stored_right is not None
    return ProductMatrix(stored_left, stored_right, **offset_and_bias)


def _encode_pivoted(
    left: Tensor,
    right: Tensor,
    dtype: torch.dtype,
    storage: FactorStorage,
    offset_and_bias: dict[str, nn.Parameter | None],
) -> CompressedMatrix:
    """Round the pivots and refit the coefficients to the rounded pivots."""
    rank, columns = left.shape[1], by_columns((left.shape[0], right.shape[1]))
    # Elimination is twice as fast in float32, and its error of 10⁻⁵ is far below 16-bit rounding.
    lu_dtype = left.dtype if dtype.itemsize > torch.float16.itemsize else torch.float32
    order, coefficients = find_pivots((right.T if columns else left).to(lu_dtype))
    coefficients = coefficients.to(left.dtype)
    chosen = order[:rank]
    pivots = left @ right[:, chosen] if columns else left[chosen] @ right
    stored_pivots = encode_matrix(pivots, dtype, storage)
    fitted = coefficients
    # Rounding to the checkpoint's 16 bits needs no compensation.
    if storage.bits:
        exact, rounded = (
            (pivots.T, _to_float64(stored_pivots).T)
            if columns
            else (pivots, _to_float64(stored_pivots))
        )
        fitted = refit(coefficients, exact, rounded)
    return PivotedMatrix.from_parts(
        stored_pivots,
        encode_matrix(fitted.T if columns else fitted, dtype, storage),
        order,
        by_columns=columns,
        **offset_and_bias,
    )


def refit(left: Tensor, right: Tensor, known: Tensor) -> Tensor:
    """Return the X near `left` with the least squared error of `left right ≈ X known`.

    Args:
        left: `[rows, rank]` in float64.
        right: `[rank, cols]`.
        known: `[rank, cols]`, the rounded `right`.

    Returns:
        `[rows, rank]`: left (1 + M), where M (known knownᵀ + ε) = (right − known) knownᵀ.
    """
    gram = known @ known.T
    damping = DAMPING * gram.diagonal().mean() + torch.finfo(gram.dtype).tiny
    gram.diagonal().add_(damping)
    residual = (right - known) @ known.T
    update: Tensor = torch.linalg.solve(gram, residual, left=False)
    return left + left @ update


def _to_float64(matrix: CompressedMatrix) -> Tensor:
    return matrix.to_dense().double()
