"""Contract tests of all registered storage forms."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch

from compress_lib.errors import CompressionError
from compress_lib.matrices import (
    FORMS,
    CompressedMatrix,
    DenseMatrix,
    LowRankMatrix,
    matrix_from_spec,
)
from compress_lib.matrices.autoencoder import DecoderMatrix
from compress_lib.matrices.base import round_to
from compress_lib.matrices.factored.kronecker import KroneckerMatrix
from compress_lib.matrices.factored.pivoted import PivotedMatrix
from compress_lib.matrices.factored.product import ProductMatrix
from compress_lib.matrices.factored.tucker import TuckerMatrix
from compress_lib.matrices.quantized.product_quantized import ProductCodesMatrix
from compress_lib.matrices.rotated import RotatedMatrix
from compress_lib.matrices.row_blocks import BlocksMatrix
from compress_lib.matrices.sparse import SparseMatrix
from compress_lib.matrices.sparse_rows import SparseRowsMatrix
from compress_lib.matrices.views import RowSlice, TransposedMatrix, split_rows, transposed
from compress_lib.methods.quantization.rounding import (
    NormalFloatGrid,
    UniformGrid,
    quantize,
    quantize_to,
)
from compress_lib.methods.token_tables.column_rounding import round_columns


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def few_bits(values: torch.Tensor) -> CompressedMatrix:
    return quantize(values.half(), 5, 2)


def plain(values: torch.Tensor) -> CompressedMatrix:
    return DenseMatrix.from_weight(values.half())


def pivoted(
    keep: Callable[[torch.Tensor], CompressedMatrix], *, by_columns: bool
) -> CompressedMatrix:
    """Return a pivoted matrix with a random permutation, an offset and a bias."""
    sizes = [(12, 3), (3, 4)] if by_columns else [(3, 7), (9, 3)]
    pivots, coefficients = (keep(random(*size)) for size in sizes)
    pivot, other = random(7 if by_columns else 12).argsort().split([3, 4 if by_columns else 9])
    return PivotedMatrix.from_parts(
        pivots,
        coefficients,
        torch.cat([pivot.sort()[0], other.sort()[0]]),
        by_columns=by_columns,
        offset=round_to(random(7), torch.float16),
        bias=round_to(random(12), torch.float16),
    )


EXAMPLES: dict[str, Callable[[], CompressedMatrix]] = {
    "dense": lambda: DenseMatrix.from_weight(random(12, 7).half()),
    "low_rank": lambda: LowRankMatrix.from_factors(random(12, 3), random(3, 7), torch.float16),
    "low_rank with an offset": lambda: LowRankMatrix.from_factors(
        random(12, 3), random(3, 7), torch.bfloat16, random(7)
    ),
    "decoder": lambda: DecoderMatrix.from_tensors(
        random(12, 3),
        [random(6, 3), random(7, 6)],
        [random(6), random(7)],
        torch.float16,
        activation="leaky_relu",
        tanh=True,
        scale=random(12),
    ),
    "decoder without biases": lambda: DecoderMatrix.from_tensors(
        random(12, 3), [random(6, 3), random(7, 6)], [], torch.float16, activation="elu", tanh=False
    ),
    "decoder in few bits": lambda: DecoderMatrix.from_tensors(
        random(12, 3),
        [random(6, 3), random(7, 6)],
        [random(6), random(7)],
        torch.float16,
        activation="leaky_relu",
        tanh=False,
        scale=random(12),
        store=few_bits,
    ),
    "product of dense factors": lambda: ProductMatrix(plain(random(12, 3)), plain(random(3, 7))),
    "product in few bits": lambda: ProductMatrix(
        few_bits(random(12, 3)),
        few_bits(random(3, 7)),
        round_to(random(7), torch.float16),
        round_to(random(12), torch.float16),
    ),
    "pivoted by rows": lambda: pivoted(plain, by_columns=False),
    "pivoted by rows in few bits": lambda: pivoted(few_bits, by_columns=False),
    "pivoted by columns": lambda: pivoted(plain, by_columns=True),
    "pivoted by columns in few bits": lambda: pivoted(few_bits, by_columns=True),
    "quantized rows": lambda: quantize(random(12, 7).half(), 3),
    "quantized groups": lambda: quantize(random(12, 7).bfloat16(), 4, 3),
    "quantized groups without minima": lambda: quantize_to(
        UniformGrid(3, minimum=False), random(12, 7).half(), 5
    ),
    "codebook": lambda: quantize_to(NormalFloatGrid(4), random(12, 7).half(), 3),
    "codebook of rows": lambda: quantize_to(NormalFloatGrid(3), random(12, 7).bfloat16()),
    "kronecker": lambda: KroneckerMatrix.from_factors(
        random(2, 4, 7), random(2, 3, 1), torch.float16
    ),
    "kronecker, wide blocks": lambda: KroneckerMatrix.from_factors(
        random(3, 12, 1), random(3, 1, 7), torch.bfloat16
    ),
    "tucker": lambda: TuckerMatrix.from_factors(
        random(2, 3, 4), [random(4, 2), random(3, 3), random(7, 4)], 12, torch.float16
    ),
    "tucker of padded rows": lambda: TuckerMatrix.from_factors(
        random(2, 3, 4), [random(3, 2), random(5, 3), random(7, 4)], 12, torch.bfloat16
    ),
    "sparse with a mask": lambda: SparseMatrix.from_kept(
        random(12, 7).half(), random(7, 12).T > 0.3, "mask"
    ),
    "sparse with columns": lambda: SparseMatrix.from_kept(
        random(12, 7).bfloat16(), random(7, 12).T > 1, "columns"
    ),
    "sparse rows": lambda: SparseRowsMatrix.from_kept(random(12, 7).half(), random(12) > 0),
    "blocks": lambda: BlocksMatrix.of(
        [
            LowRankMatrix.from_factors(random(5, 2), random(2, 7), torch.float16),
            quantize(random(4, 7).half(), 3),
            LowRankMatrix.from_factors(random(3, 1), random(1, 7), torch.float16),
        ],
        torch.tensor([0, 2, 1, 0, 1, 1, 0, 2, 0, 2, 1, 0]),
    ),
    "a single block": lambda: BlocksMatrix.of(
        [quantize(random(12, 7).bfloat16(), 4)], torch.zeros(12, dtype=torch.long)
    ),
    "graded": lambda: round_columns(random(12, 7), [3], torch.float16),
    "graded and rotated": lambda: RotatedMatrix.of(
        round_columns(random(12, 18), [5, 2, 0], torch.float16), random(18, 7)
    ),
    "product codes": lambda: ProductCodesMatrix.from_codes(
        random(2, 12, 3).mul(10).long() % 8, random(8, 14), random(12), 3, torch.float16
    ),
    "product codes of whole bytes": lambda: ProductCodesMatrix.from_codes(
        random(1, 12, 7).mul(99).long() % 256, random(256, 7), random(12), 8, torch.bfloat16
    ),
    "rows of a larger matrix": lambda: RowSlice(
        LowRankMatrix.from_factors(random(20, 3), random(3, 7), torch.float16), 6, 12
    ),
    "transposed with an offset": lambda: TransposedMatrix(
        LowRankMatrix.from_factors(random(7, 3), random(3, 12), torch.float16, random(12))
    ),
}


@pytest.fixture(params=sorted(EXAMPLES))
def matrix(request: pytest.FixtureRequest) -> CompressedMatrix:
    return EXAMPLES[request.param]()


def test_every_form_has_an_example() -> None:
    assert {example().name for example in EXAMPLES.values()} == set(FORMS)


NUMBERS = {
    "low_rank": 12 * 3 + 3 * 7,
    "quantized rows": 12 * 7 + 2 * 12,
    "quantized groups without minima": 12 * 7 + 2 * 12,
    "product in few bits": (12 * 3 + 2 * 24) + (3 * 7 + 2 * 12) + 7 + 12,
    "kronecker": 2 * (4 * 7 + 3),
    "pivoted by rows": 3 * 7 + 9 * 3 + 7 + 12,
    "sparse with a mask": int((random(7, 12).T > 0.3).sum()),
    "graded": 12 * 7 + 7,
    "graded and rotated": 12 * 16 + 16 + 18 * 7,
    "product codes": 2 * 12 * 3 + 8 * 14 + 12,
    "product codes of whole bytes": 12 * 7 + 256 * 7 + 12,
}
"""Parameter counts of some examples; permutations, masks and padding do not count."""


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_counted_whatever_bits_they_take(name: str) -> None:
    matrix = EXAMPLES[name]()
    holder = torch.nn.ModuleDict({"matrix": matrix})
    owners = {
        id(tensor): module
        for module in holder.modules()
        if isinstance(module, CompressedMatrix)
        for tensor in module.parameters()
    }
    stored = {id(tensor): tensor for tensor in matrix.parameters()}
    assert NUMBERS[name] == sum(owners[i].num_parameters(t) for i, t in stored.items())


def test_rows_projection_and_dense_agree(matrix: CompressedMatrix) -> None:
    whole = matrix.to_dense()
    assert tuple(whole.shape) == matrix.shape
    ids = torch.tensor([[0, 11], [5, 5]])
    assert torch.allclose(matrix.lookup(ids), whole[ids], atol=1e-5)
    x = random(2, 4, matrix.shape[1])
    assert torch.allclose(matrix.linear(x), x @ whole.T, atol=1e-4)


def test_it_is_rebuilt_from_its_description_and_tensors(matrix: CompressedMatrix) -> None:
    spec = json.loads(json.dumps(matrix.spec()))
    empty = matrix_from_spec(spec)
    assert empty.nbytes == matrix.nbytes
    empty.load_state_dict(matrix.state_dict())
    assert torch.equal(empty.to_dense(), matrix.to_dense())
    assert empty.spec() == matrix.spec()


def test_its_bytes_are_those_of_its_tensors_as_stored(matrix: CompressedMatrix) -> None:
    stored = [
        tensor.to(matrix.dtype) if tensor.is_floating_point() else tensor
        for tensor in matrix.state_dict().values()
    ]
    assert matrix.nbytes == sum(tensor.nbytes for tensor in stored)
    # Computations use exactly the stored values, not higher-precision ones.
    for tensor, kept in zip(matrix.state_dict().values(), stored, strict=True):
        assert torch.equal(tensor, kept.float() if kept.is_floating_point() else kept)
    assert {name for name, _ in matrix.named_parameters()} == set(matrix.state_dict())
    assert matrix.double().nbytes == sum(tensor.nbytes for tensor in stored)


def test_combining_rows_and_transposing_agree_with_dense(matrix: CompressedMatrix) -> None:
    x = random(2, 4, 12)
    assert torch.allclose(matrix.matmul(x), x @ matrix.to_dense(), atol=1e-4)
    transpose = transposed(matrix)
    assert transpose.shape == (7, 12)
    assert transpose.nbytes == matrix.nbytes
    assert torch.equal(transpose.to_dense(), matrix.to_dense().T)


def test_split_by_rows_it_says_the_same(matrix: CompressedMatrix) -> None:
    parts = split_rows(matrix, [5, 4, 3])
    assert [part.shape for part in parts] == [(5, 7), (4, 7), (3, 7)]
    assert torch.allclose(
        torch.cat([part.to_dense() for part in parts]), matrix.to_dense(), atol=1e-6
    )


def test_the_parts_of_a_low_rank_matrix_share_its_right_factor() -> None:
    whole = LowRankMatrix.from_factors(random(12, 3), random(3, 7), torch.float16)
    first, second = split_rows(whole, [6, 6])
    assert isinstance(first, LowRankMatrix)
    assert isinstance(second, LowRankMatrix)
    assert first.right is second.right is whole.right


def test_nothing_learns(matrix: CompressedMatrix) -> None:
    assert not any(parameter.requires_grad for parameter in matrix.parameters())


def test_factors_that_overflow_their_type_are_refused() -> None:
    with pytest.raises(CompressionError, match="not finite in float16"):
        LowRankMatrix.from_factors(random(4, 2) * 1e6, random(2, 4), torch.float16)
