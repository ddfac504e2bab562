"""Pivoted low-rank storage: accuracy, byte counts, and numerical stability."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices import LowRankMatrix
from compress_lib.matrices.factored.pivoted import PivotedMatrix
from compress_lib.matrices.row_decoding import smallest_integer
from compress_lib.matrices.views import split_rows
from compress_lib.methods import build_method
from compress_lib.methods.low_rank.encoding import encode
from compress_lib.methods.low_rank.pivoting import BOUND, find_pivots
from compress_lib.methods.low_rank.storage_sizes import FactorStorage, order_bytes
from compress_lib.methods.statistics import Statistics

PIVOTED = FactorStorage("pivoted")
SHAPES = [(40, 70), (70, 40), (50, 50)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape) + seed))


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


# Finding pivots.


def assert_pivots(tall: Tensor) -> None:
    rank = tall.shape[1]
    places, coefficients = find_pivots(tall)
    assert sorted(places.tolist()) == list(range(len(tall)))
    pivots, others = places[:rank], places[rank:]
    assert pivots.tolist() == sorted(pivots.tolist())
    assert others.tolist() == sorted(others.tolist())
    assert torch.isfinite(coefficients).all()
    assert coefficients.numel() == 0 or float(coefficients.abs().max()) <= BOUND
    scale = float(tall.norm()) + 1e-300
    assert float((coefficients @ tall[pivots] - tall[others]).norm()) <= 1e-12 * scale


@settings(max_examples=40, deadline=None)
@given(rank=st.integers(1, 12), more=st.integers(0, 20), true=st.integers(0, 12))
def test_all_rows_are_small_combinations_of_the_pivots(rank: int, more: int, true: int) -> None:
    """Also holds for rank-deficient matrices, down to rank 0."""
    inner = min(rank, true)
    tall = random(rank + more, inner, seed=1).double() @ random(inner, rank, seed=2).double()
    assert_pivots(tall)


def test_growth_of_elimination_is_undone_by_exchanges() -> None:
    """On Wilkinson's matrix, partial pivoting doubles the entries at every step."""
    size = 40
    wilkinson = torch.eye(size) - torch.ones(size, size).tril(-1)
    wilkinson[:, -1] = 1
    assert_pivots(torch.cat([wilkinson, random(30, size)]).double())


def test_exchanges_matter() -> None:
    """Coefficients are bounded by `BOUND`, and no larger than with partial pivoting alone."""
    tall = torch.tensor([[1.0, 0.999], [1.0, 1.0], [0.0, 1.0]]).double()
    worst = find_pivots(tall, bound=float("inf"))[1].abs().max()
    best = find_pivots(tall)[1].abs().max()
    assert float(best) <= min(BOUND, float(worst))
    assert_pivots(tall)


def test_columns_of_very_different_size_are_no_harm() -> None:
    assert_pivots(random(60, 20).double() * torch.logspace(8, -20, 20, dtype=torch.float64))


# Storage.


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 1e-3), (torch.bfloat16, 8e-3)]
)
def test_it_loses_no_more_than_rounding_does(
    shape: tuple[int, int], share: float, dtype: torch.dtype, tolerance: float
) -> None:
    rows, cols = shape
    rank = max(1, int(share * min(shape)))
    left, right = random(rows, rank), random(rank, cols)
    matrix = encode(left, right, dtype, PIVOTED)
    assert isinstance(matrix, PivotedMatrix)
    assert matrix.by_columns == (rows > cols)
    assert matrix.rank == rank
    assert matrix.nbytes == PIVOTED.nbytes(shape, rank, dtype.itemsize)
    numbers = rank * (rows + cols - rank)
    assert matrix.nbytes == numbers * dtype.itemsize + order_bytes(min(shape))
    assert error(matrix.to_dense(), (left.double() @ right.double()).float()) < tolerance


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [0, 8, 4])
@pytest.mark.parametrize("true", [0, 1, 5])
def test_factors_without_their_full_rank_are_kept(
    shape: tuple[int, int], bits: int, true: int
) -> None:
    rows, cols = shape
    left = random(rows, true) @ random(true, 20)
    right = random(20, cols)
    matrix = encode(left, right, torch.float16, FactorStorage("pivoted", bits))
    whole = matrix.to_dense()
    assert torch.isfinite(whole).all()
    assert matrix.nbytes == FactorStorage("pivoted", bits).nbytes(shape, 20, 2)
    if true:
        assert error(whole, left @ right) < {0: 1e-3, 8: 0.02, 4: 0.2}[bits]
    else:
        assert not whole.any()


def test_a_larger_rank_fits_into_the_same_bytes() -> None:
    weight = random(96, 96).half()
    ranks = {}
    for storage in ("factors", "pivoted"):
        method = build_method("svd", {"storage": storage})
        matrix = method.compress_within(weight, weight.nbytes // 2, Statistics())
        assert matrix.nbytes <= weight.nbytes // 2
        ranks[storage] = matrix.rank
    # 4608 numbers hold rank 24 as r · 192, and rank 27.6 as r · (192 − r) plus the permutation
    # in 48 numbers.
    assert ranks == {"factors": 24, "pivoted": 27}


def test_every_rank_is_below_the_size_of_the_matrix() -> None:
    """Two factors break even at half the rank of a square matrix."""
    rank = PIVOTED.largest_rank((200, 200), 200 * 200 * 2, 2)
    assert rank >= 184
    assert FactorStorage().largest_rank((200, 200), 200 * 200 * 2, 2) == 100


@pytest.mark.parametrize("count", [1, 256, 257, 2**15, 2**15 + 1, 2**31, 2**31 + 1])
def test_a_permutation_takes_the_smallest_integers(count: int) -> None:
    assert order_bytes(count) == count * smallest_integer(count - 1).itemsize


def test_a_budget_below_rank_one_is_refused_with_what_would_do() -> None:
    least = PIVOTED.nbytes((30, 20), 1, 2)
    with pytest.raises(BudgetError, match=f"below rank 1 .* at least {least} bytes"):
        PIVOTED.largest_rank((30, 20), least - 1, 2)
    assert PIVOTED.largest_rank((30, 20), least, 2) == 1


def test_factors_too_large_for_their_type_are_refused() -> None:
    with pytest.raises(CompressionError, match="not finite in float16"):
        encode(random(8, 2) * 1e6, random(2, 6), torch.float16, PIVOTED)
    # Each factor fits into float16, but their product, the pivots, overflows.
    with pytest.raises(CompressionError, match="not finite in float16"):
        encode(random(8, 2) * 1e3, random(2, 6) * 1e3, torch.float16, PIVOTED)


# Operations.


@pytest.mark.parametrize("shape", SHAPES)
def test_parts_share_what_all_rows_are_made_of(shape: tuple[int, int]) -> None:
    rows, cols = shape
    bias = random(rows)
    matrix = encode(random(rows, 12), random(12, cols), torch.float16, PIVOTED, bias=bias)
    parts = split_rows(matrix, [rows - 25, 25])
    shared = {id(tensor) for tensor in parts[0].parameters()}
    shared &= {id(tensor) for tensor in parts[1].parameters()}
    assert shared
    every = {
        id(tensor): part.stored_bytes(tensor) for part in parts for tensor in part.parameters()
    }
    # A permutation of columns is shared, one of rows is split.
    assert sum(every.values()) == matrix.nbytes
    assert all(isinstance(part, PivotedMatrix) for part in parts)
    x = random(3, cols)
    assert torch.allclose(
        torch.cat([part.linear(x) for part in parts], dim=1), matrix.linear(x), atol=1e-4
    )
    biases: list[Tensor] = [part.bias for part in parts if part.bias is not None]
    assert matrix.bias is not None
    assert torch.equal(torch.cat(biases), matrix.bias)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [0, 8])
def test_gradients_reach_the_inputs(shape: tuple[int, int], bits: int) -> None:
    rows, cols = shape
    matrix = encode(random(rows, 6), random(6, cols), torch.float32, FactorStorage("pivoted", bits))
    x = random(2, 5, cols).requires_grad_()
    matrix.linear(x).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, matrix.to_dense().sum(dim=0).expand_as(x), atol=1e-3)


def test_a_part_may_have_nothing_but_pivots() -> None:
    large, small = random(8, 64), 1e-3 * random(8, 64)
    left, right = torch.cat([large, small]), torch.eye(64)
    u, s, v = torch.linalg.svd(left @ right, full_matrices=False)
    for bits in (0, 8):
        matrix = encode(u[:, :8] * s[:8], v[:8], torch.float16, FactorStorage("pivoted", bits))
        parts = split_rows(matrix, [8, 8])
        x = random(3, 64)
        y = torch.cat([part.linear(x) for part in parts], dim=-1)
        assert torch.allclose(y, matrix.linear(x), atol=1e-3)
        assert torch.allclose(torch.cat([part.to_dense() for part in parts]), matrix.to_dense())


def test_two_factors_stay_what_they_were() -> None:
    left, right = random(9, 2), random(2, 7)
    matrix = encode(left, right, torch.float16, FactorStorage())
    assert isinstance(matrix, LowRankMatrix)
    assert torch.equal(matrix.left, left.half().float())
    assert torch.equal(matrix.right, right.half().float())
