"""Sums of Kronecker products: the closed form is exact where it can be, and never worse."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices.factored.kronecker import KroneckerMatrix, _multiply
from compress_lib.matrices.reconstruction_error import row_errors
from compress_lib.matrices.views import split_rows
from compress_lib.methods import build_method
from compress_lib.methods.linalg import truncate_svd
from compress_lib.methods.statistics import Statistics
from compress_lib.methods.tensor.kronecker import LARGEST_SIDE, _divisors, _left_factor
from compress_lib.utils.progress import Report, ignore


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def compress(
    weight: torch.Tensor, budget: int, report: Report = ignore, **options: object
) -> KroneckerMatrix:
    method = build_method("kronecker", options)
    found = method.compress_within(weight, budget, Statistics(), report)
    shape = (weight.shape[0], weight.shape[1])
    announced = method.preview(shape, budget=budget, itemsize=weight.element_size())
    assert found.nbytes == announced.nbytes <= budget
    assert isinstance(found, KroneckerMatrix)
    return found


def test_the_matrix_is_the_sum_of_the_products() -> None:
    left, right = random(3, 4, 5), random(3, 2, 6)
    matrix = KroneckerMatrix.from_factors(left, right, torch.float32)
    expected = sum(torch.kron(a, b) for a, b in zip(left, right, strict=True))
    assert isinstance(expected, torch.Tensor)
    assert torch.allclose(matrix.to_dense(), expected, atol=1e-5)
    assert matrix.nbytes == 4 * 3 * (4 * 5 + 2 * 6)


def test_one_product_is_recovered_by_one_term() -> None:
    weight = torch.kron(random(6, 4), random(5, 7))
    matrix = compress(weight, weight.nbytes, left_rows=6, left_cols=4, terms=1)
    assert matrix.nbytes == 4 * (24 + 35)
    assert torch.allclose(matrix.to_dense(), weight, atol=1e-5)


def test_the_error_is_the_rest_of_the_rearranged_matrix() -> None:
    """Eckart and Young, after Van Loan and Pitsianis."""
    weight = random(12, 20)
    corners = [(i, j) for i in range(0, 12, 3) for j in range(0, 20, 4)]
    blocks = torch.stack([weight[i : i + 3, j : j + 4].flatten() for i, j in corners])
    values = torch.linalg.svdvals(blocks)
    for terms in (1, 4, 9):
        matrix = compress(weight, 2000, left_rows=4, left_cols=5, terms=terms)
        error = (matrix.to_dense() - weight).norm()
        assert torch.allclose(error, values[terms:].norm(), rtol=1e-4)


def test_a_row_beside_a_column_is_the_plain_svd() -> None:
    weight = random(18, 10)
    matrix = compress(weight, 4 * 3 * 28, left_rows=18, left_cols=1)
    left, right = truncate_svd(weight, 3)
    assert matrix.left.shape == (3, 18, 1)
    assert torch.allclose(matrix.to_dense(), left @ right, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    a1=st.integers(1, 5),
    a2=st.integers(1, 5),
    b1=st.integers(1, 5),
    b2=st.integers(1, 5),
    terms=st.integers(1, 4),
)
def test_projections_of_every_shape_agree(a1: int, a2: int, b1: int, b2: int, terms: int) -> None:
    left, right = random(terms, a1, a2), random(terms, b1, b2)
    matrix = KroneckerMatrix.from_factors(left, right, torch.float32)
    whole = matrix.to_dense()
    x, y = random(3, whole.shape[1]), random(3, whole.shape[0])
    assert torch.allclose(matrix.linear(x), x @ whole.T, atol=1e-4)
    assert torch.allclose(matrix.matmul(y), y @ whole, atol=1e-4)
    assert torch.allclose(matrix.lookup(torch.arange(len(whole)).flip(0)), whole.flip(0), atol=1e-5)
    assert matrix.linear(x[0]).shape == (whole.shape[0],)
    assert matrix.linear(x[:0]).shape == (0, whole.shape[0])


def test_terms_are_taken_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = KroneckerMatrix.from_factors(random(9, 4, 3), random(9, 2, 5), torch.float32)
    x, y, ids = random(6, 15), random(6, 8), torch.tensor([7, 0, 3])
    whole, rows = matrix.to_dense(), matrix.lookup(ids)
    monkeypatch.setattr("compress_lib.matrices.factored.kronecker.ELEMENTS", 64)
    assert torch.allclose(_multiply(matrix.left, matrix.right, x), x @ whole.T, atol=1e-4)
    assert torch.allclose(matrix.lookup(ids), rows, atol=1e-5)
    # The matrix is rebuilt in blocks of no more than 64 numbers, where rebuilding is less work.
    assert [len(block) for block in matrix._blocks(torch.float32)] == [4, 4]
    assert torch.allclose(matrix.linear(x), x @ whole.T, atol=1e-4)
    assert torch.allclose(matrix.matmul(y), y @ whole, atol=1e-4)


@pytest.mark.parametrize(("vectors", "rebuilt"), [(1, False), (500, True)])
def test_many_vectors_are_multiplied_by_the_rebuilt_matrix(
    vectors: int, rebuilt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = KroneckerMatrix.from_factors(random(9, 8, 6), random(9, 6, 8), torch.float32)
    taken = []

    def noted(*given: torch.Tensor) -> torch.Tensor:
        taken.append(given)
        return _multiply(*given)

    monkeypatch.setattr("compress_lib.matrices.factored.kronecker._multiply", noted)
    x, y = random(vectors, 48), random(vectors, 48)
    assert torch.allclose(matrix.linear(x), x @ matrix.to_dense().T, atol=1e-3)
    assert torch.allclose(matrix.matmul(y), y @ matrix.to_dense(), atol=1e-3)
    assert (not taken) == rebuilt


def test_parts_of_whole_blocks_share_the_right_factors() -> None:
    matrix = KroneckerMatrix.from_factors(random(2, 6, 3), random(2, 4, 5), torch.float16)
    parts = split_rows(matrix, [8, 16])
    assert all(isinstance(part, KroneckerMatrix) for part in parts)
    assert {id(part.right) for part in parts} == {id(matrix.right)}
    unequal = split_rows(matrix, [7, 17])
    assert torch.allclose(
        torch.cat([part.to_dense() for part in unequal]), matrix.to_dense(), atol=1e-5
    )


# Sizes.


@pytest.mark.parametrize(
    ("rows", "cols"), [(576, 576), (192, 576), (576, 1536), (49152, 576), (50257, 768), (7, 11)]
)
def test_chosen_sizes_divide_and_are_quick(rows: int, cols: int) -> None:
    a1, a2 = _left_factor(rows, cols, 0, 0)
    assert rows % a1 == cols % a2 == 0
    assert min(a1 * a2, rows * cols // (a1 * a2)) <= LARGEST_SIDE


def test_a_square_is_halved_evenly() -> None:
    assert _left_factor(576, 576, 0, 0) == (24, 24)
    assert _left_factor(576, 576, 1, 0) == (1, 576)
    assert _divisors(12) == (1, 2, 3, 4, 6, 12)


def test_primes_are_a_factor_of_one_side_or_the_other() -> None:
    weight = random(31, 37)
    matrix = compress(weight, weight.nbytes // 2)
    assert {matrix.left.shape[1], matrix.left.shape[2]} <= {1, 31, 37}
    ratio = (matrix.to_dense() - weight).norm() / weight.norm()
    assert ratio < 1


def test_a_matrix_of_one_row_works() -> None:
    weight = random(1, 8)
    assert torch.isfinite(compress(weight, 28).to_dense()).all()


def test_all_terms_are_the_matrix() -> None:
    weight = random(6, 6)
    assert torch.allclose(compress(weight, 10_000).to_dense(), weight, atol=1e-4)


# Refinement.


def test_refining_turns_the_rows_back_and_never_away() -> None:
    weight = (random(48, 40) * random(48, 1).exp()).half()
    budget = weight.nbytes // 2
    plain, refined = compress(weight, budget), compress(weight, budget, refine_steps=60)
    before, after = (float(row_errors(weight, m).direction.mean()) for m in (plain, refined))
    assert after < before
    assert refined.nbytes == plain.nbytes
    assert not refined.left.requires_grad
    exact = torch.kron(random(6, 4), random(5, 7))
    kept = compress(exact, 236, left_rows=6, left_cols=4, refine_steps=3)
    assert float(row_errors(exact, kept).direction.mean()) < 1e-6


def test_refining_tells_of_its_steps_and_needs_no_gradients_around_it() -> None:
    seen: list[float] = []
    with torch.inference_mode():
        compress(random(12, 12), 400, lambda event: seen.append(event.fraction), refine_steps=4)
    assert seen == [0, 0.25, 0.5, 0.75]


def test_zeros_stay_zeros() -> None:
    weight = torch.zeros(8, 8)
    assert not compress(weight, 200, refine_steps=2).to_dense().any()


# What is refused.


def test_sizes_that_do_not_divide_are_told_those_that_do() -> None:
    with pytest.raises(CompressionError, match=r"left_rows must divide the 64 rows.*5 does not"):
        compress(random(64, 16), 4000, left_rows=5)
    with pytest.raises(CompressionError, match=r"Allowed: 1, 2, 4, 8, 16, or 0"):
        compress(random(64, 16), 4000, left_cols=32)


def test_too_few_bytes_name_what_would_do() -> None:
    with pytest.raises(BudgetError, match=r"2 × \(8 × 4\) ⊗ \(8 × 4\).*at least 512 bytes"):
        compress(random(64, 16), 511, terms=2, left_rows=8, left_cols=4)
    with pytest.raises(BudgetError, match=r"1 × .*at least 256 bytes, a keep of 0\.0625"):
        compress(random(64, 16), 255)
