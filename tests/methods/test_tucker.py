"""Tucker decomposition: exact where it can be, ranks that fit, rows folded by heads."""

from __future__ import annotations

import math

import pytest
import tensorly
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorly.decomposition import tucker

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices.factored.tucker import TuckerMatrix
from compress_lib.matrices.views import split_rows
from compress_lib.methods import build_method
from compress_lib.methods.statistics import Statistics
from compress_lib.methods.tensor.tucker import _decompose, _fold, _norm, largest_ranks
from compress_lib.utils.progress import Report, ignore


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def compress(
    weight: torch.Tensor, budget: int, report: Report = ignore, **options: object
) -> TuckerMatrix:
    method = build_method("tucker", options)
    found = method.compress_within(weight, budget, Statistics(), report)
    shape = (weight.shape[0], weight.shape[1])
    announced = method.preview(shape, budget=budget, itemsize=weight.element_size())
    assert found.nbytes == announced.nbytes <= budget
    assert isinstance(found, TuckerMatrix)
    return found


def low_rank_tensor(sizes: tuple[int, int, int], ranks: tuple[int, int, int]) -> torch.Tensor:
    factors = [random(size, rank) for size, rank in zip(sizes, ranks, strict=True)]
    return torch.einsum("abc,ia,jb,kc->ijk", random(*ranks), *factors).flatten(0, 1)


def error(weight: torch.Tensor, matrix: TuckerMatrix) -> float:
    return float((matrix.to_dense() - weight).norm() / weight.norm())


def test_the_matrix_is_the_core_times_its_factors() -> None:
    core, factors = random(2, 3, 4), [random(5, 2), random(6, 3), random(7, 4)]
    matrix = TuckerMatrix.from_factors(core, factors, 28, torch.float32)
    expected = torch.einsum("abc,ia,jb,kc->ijk", core, *factors).flatten(0, 1)[:28]
    assert torch.allclose(matrix.to_dense(), expected, atol=1e-4)
    for ids in (torch.arange(28), torch.tensor([27, 3, 3]), torch.tensor([[0], [13]])):
        assert torch.allclose(matrix.lookup(ids), expected[ids], atol=1e-4)
    assert matrix.nbytes == 4 * (24 + 10 + 18 + 28)


def test_an_exact_tucker_tensor_is_recovered() -> None:
    sizes, ranks = (6, 8, 20), (2, 3, 4)
    weight = low_rank_tensor(sizes, ranks)
    numbers = 24 + 12 + 24 + 80
    assert largest_ranks(sizes, numbers) is not None
    matrix = compress(weight, 4 * 700, head_dim=8)
    assert all(found >= rank for found, rank in zip(matrix.core.shape, ranks, strict=True))
    assert error(weight, matrix) < 1e-5


def test_iterations_only_help() -> None:
    weight = random(12 * 16, 40) + low_rank_tensor((12, 16, 40), (3, 3, 3))
    errors = [
        error(weight, compress(weight, weight.nbytes // 4, iterations=n, head_dim=16))
        for n in (0, 1, 10)
    ]
    assert errors[2] <= errors[1] <= errors[0]


@pytest.mark.parametrize("ranks", [(2, 3, 4), (6, 3, 5), (6, 8, 20), (1, 1, 1)])
def test_it_finds_what_tensorly_finds(ranks: tuple[int, int, int]) -> None:
    tensorly.set_backend("numpy")
    tensor = (random(6 * 8, 20) + 2 * low_rank_tensor((6, 8, 20), (2, 2, 2))).view(6, 8, 20)
    theirs = tucker(tensor.double().numpy(), rank=list(ranks), n_iter_max=50, tol=1e-9)
    expected = torch.from_numpy(tensorly.tucker_to_tensor(theirs)).float()
    core, factors = _decompose(tensor, ranks, 50, ignore)
    found = torch.einsum("abc,ia,jb,kc->ijk", core, *factors)
    assert tuple(core.shape) == ranks
    for factor in factors:
        assert torch.allclose(factor.T @ factor, torch.eye(factor.shape[1]), atol=1e-5)
    lost, least = (tensor - found).norm(), (tensor - expected).norm()
    assert lost <= least * 1.001 + 1e-3


def test_errors_of_large_tensors_are_told_apart() -> None:
    """In float32 alone the norm of ten million numbers is off by more than the tolerance."""
    weight = torch.ones(300, 40_000)
    assert _norm(weight.view(100, 3, -1)) == pytest.approx(math.sqrt(weight.numel()), rel=1e-6)
    tensor = random(96, 128, 288)
    expected = float(tensor.double().square().sum().sqrt())
    assert _norm(tensor) == pytest.approx(expected, rel=1e-6)


def test_the_start_is_the_projection_on_each_modes_singular_vectors() -> None:
    """HOSVD loses at most the singular values that each mode drops."""
    weight = random(6 * 8, 20)
    matrix = compress(weight, weight.nbytes // 2, iterations=0, head_dim=8)
    tensor, dropped = weight.view(6, 8, 20), 0.0
    for mode, rank in enumerate(matrix.core.shape):
        values = torch.linalg.svdvals(tensor.movedim(mode, 0).flatten(1))
        dropped += float(values[rank:].square().sum())
    assert error(weight, matrix) <= math.sqrt(dropped) / float(weight.norm()) + 1e-5


def test_a_weight_with_a_great_norm_fits_into_its_type() -> None:
    # Its norm is 6 million, and so would be the core's entry; float16 ends at 65,504.
    weight = torch.full((64, 64), 6e4).half()
    assert error(weight.float(), compress(weight, 4000)) < 2e-3


def test_zeros_stay_zeros() -> None:
    assert not compress(torch.zeros(12, 9), 300).to_dense().any()


# Ranks.


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 80), st.integers(1, 600)),
    share=st.floats(0.001, 1.2),
)
def test_ranks_fit_and_no_single_one_can_grow(sizes: tuple[int, int, int], share: float) -> None:
    numbers = int(share * math.prod(sizes))
    ranks = largest_ranks(sizes, numbers)

    def count(ranks: tuple[int, ...]) -> int:
        return math.prod(ranks) + sum(r * n for r, n in zip(ranks, sizes, strict=True))

    if ranks is None:
        assert count((1, 1, 1)) > numbers
        return
    assert count(ranks) <= numbers
    for mode in range(3):
        others = math.prod(ranks) // ranks[mode]
        assert 1 <= ranks[mode] <= min(sizes[mode], others)
        grown = tuple(rank + (index == mode) for index, rank in enumerate(ranks))
        full = ranks[mode] == sizes[mode] or ranks[mode] == others
        assert full or count(grown) > numbers


def test_ranks_are_one_share_of_the_sizes() -> None:
    sizes = (192, 256, 576)
    ranks = largest_ranks(sizes, math.prod(sizes) // 2)
    assert ranks is not None
    shares = [rank / size for rank, size in zip(ranks, sizes, strict=True)]
    assert max(shares) - min(shares) < 0.01


# Folding.


def test_rows_fold_by_heads_or_evenly() -> None:
    assert _fold(576, 64) == (9, 64)
    assert _fold(49152, 0) == (192, 256)
    assert _fold(576, 0) == (24, 24)
    assert _fold(100, 64) == (2, 64)
    assert _fold(1, 0) == (1, 1)


@given(rows=st.integers(1, 300_000))
def test_an_even_fold_pads_little(rows: int) -> None:
    first, second = _fold(rows, 0)
    assert rows <= first * second < rows + second
    assert second <= 2 * first or rows < 4


@pytest.mark.parametrize("rows", [29, 127])
def test_a_prime_number_of_rows_is_padded(rows: int) -> None:
    weight = random(rows, 13)
    matrix = compress(weight, weight.nbytes)
    assert matrix.to_dense().shape == (rows, 13)
    x, y = random(3, 13), random(3, rows)
    assert torch.allclose(matrix.linear(x), x @ matrix.to_dense().T, atol=1e-4)
    assert torch.allclose(matrix.matmul(y), y @ matrix.to_dense(), atol=1e-4)


def test_parts_of_whole_folds_share_all_but_one_factor() -> None:
    factors = [random(6, 2), random(4, 3), random(7, 4)]
    matrix = TuckerMatrix.from_factors(random(2, 3, 4), factors, 24, torch.float16)
    parts = split_rows(matrix, [8, 16])
    assert {id(part.core) for part in parts} == {id(matrix.core)}
    assert torch.allclose(torch.cat([p.to_dense() for p in parts]), matrix.to_dense(), atol=1e-6)


# What is left alone, and what is refused.


def test_random_numbers_are_left_alone() -> None:
    before = torch.get_rng_state()
    compress(random(48, 20), 1500)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_tells_how_far_it_is() -> None:
    seen: list[float] = []
    compress(random(48, 20), 1500, lambda event: seen.append(event.fraction))
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] < 1


def test_a_head_larger_than_the_matrix_is_refused() -> None:
    with pytest.raises(CompressionError, match="head_dim must be at most the 48 rows.*not 64"):
        compress(random(48, 20), 1500, head_dim=64)


def test_too_few_bytes_name_what_would_do() -> None:
    with pytest.raises(BudgetError, match=r"folded to 6 × 8 × 20.*at least 140 bytes.*0\.0365"):
        compress(random(48, 20), 139, head_dim=8)
