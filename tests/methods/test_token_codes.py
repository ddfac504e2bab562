"""What methods for token tables are made of: bits, ranks, rounding, k-means."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from compress_lib.methods.token_tables.base import block_ends
from compress_lib.methods.token_tables.bit_allocation import (
    UNIFORM_ERROR,
    UNIFORM_STEP,
    fill,
    full_bytes,
    least_bytes,
)
from compress_lib.methods.token_tables.codebooks import balanced_order
from compress_lib.methods.token_tables.column_rounding import round_columns
from compress_lib.methods.token_tables.group_reduce import best_ranks
from compress_lib.methods.token_tables.kmeans import kmeans, nearest

ROWS, COLS = 2048, 32


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_table_of_rounding_errors_is_that_of_a_normal_variable(bits: int) -> None:
    points = torch.linspace(-8, 8, 400_001, dtype=torch.float64)
    density = torch.exp(-points.square() / 2)

    def error(step: float) -> float:
        half = (2**bits - 1) / 2
        coded = ((points / step + half).round().clamp(0, 2 * half) - half) * step
        return float((density * (points - coded).square()).sum() / density.sum())

    best = error(UNIFORM_STEP[bits])
    assert best == pytest.approx(UNIFORM_ERROR[bits], rel=0.01)
    assert best <= error(UNIFORM_STEP[bits] * 1.05)
    assert best <= error(UNIFORM_STEP[bits] * 0.95)


def test_bits_go_where_they_save_most() -> None:
    energy = [[100.0, 10.0, 1.0], [10.0, 1.0, 0.1]]
    layout = fill(energy, [10, 40], 20, widths=[1, 2, 3, 4], budget=300, itemsize=2)
    assert layout.nbytes <= 300
    for row in layout.bits:
        assert row == sorted(row, reverse=True)
    assert sum(layout.bits[0]) > sum(layout.bits[1])
    steps = sum(min(8, 20 - 8 * e) * 2 for row in layout.bits for e, b in enumerate(row) if b)
    codes = sum(size * sum(row) for size, row in zip((10, 40), layout.bits, strict=True))
    assert layout.nbytes == steps + codes


def test_no_bits_beyond_the_widest_and_at_least_the_first_eight() -> None:
    most = full_bytes([10, 40], 20, 4, 2)
    layout = fill([[1.0] * 3] * 2, [10, 40], 20, widths=[2, 4], budget=10 * most, itemsize=2)
    assert layout.bits == [[4, 4, 4], [4, 4, 4]]
    assert layout.nbytes == most
    least = least_bytes([10, 40], 20, 2, 2)
    layout = fill([[1.0] * 3] * 2, [10, 40], 20, widths=[2, 4], budget=least, itemsize=2)
    assert layout.bits == [[2, 0, 0], [2, 0, 0]]
    assert layout.nbytes == least


def test_ranks_go_where_they_save_most_for_their_numbers() -> None:
    ranks, loss = best_ranks([[9.0, 4.0, 1.0], [90.0, 0.5, 0.1]], [10, 10], 5, 45)
    assert ranks == [2, 1]
    assert loss == pytest.approx(1.6)
    assert best_ranks([[9.0, 4.0], [90.0, 0.5]], [10, 10], 2, 10**6) == ([2, 2], 0)


def test_blocks_grow_by_a_constant_factor() -> None:
    ends = block_ends(49152, 8)
    assert ends == [384 * 2**index for index in range(8)]
    assert block_ends(3, 16) == [1, 2, 3]
    assert block_ends(1, 16) == [1]
    assert block_ends(100, 1) == [100]


@pytest.mark.parametrize("bits", range(1, 9))
def test_columns_of_any_scale_are_rounded_to_within_their_table(bits: int) -> None:
    values = random(4000, 8) * torch.logspace(-3, 1, 8)
    matrix = round_columns(values, [bits], torch.float32)
    error = (matrix.to_dense() - values).square().mean(0) / values.square().mean(0)
    assert (error < 1.4 * UNIFORM_ERROR[bits]).all()
    assert error.mean() < 1.1 * UNIFORM_ERROR[bits]


def test_columns_of_zeros_stay_zeros() -> None:
    values = random(20, 16)
    values[:, 3] = 0
    assert (
        round_columns(values, [4, 0], torch.float16).to_dense()[:, [3, *range(8, 16)]] == 0
    ).all()


def test_kmeans_finds_groups_that_are_there() -> None:
    centres = 10 * random(6, 3, seed=3)
    points = centres.repeat_interleave(50, dim=0) + 0.01 * random(300, 3)
    found = kmeans(points, 12, 10, torch.Generator().manual_seed(0))
    assert float(nearest(points, found)[1].mean()) < 0.01
    few = kmeans(points[:2], 5, 3, torch.Generator().manual_seed(0))
    assert torch.isfinite(few).all()
    assert few.shape == (5, 3)


def test_nearest_is_the_nearest() -> None:
    points, centres = random(70, 4), random(9, 4, seed=1)
    distances = torch.cdist(points, centres)
    found, errors = nearest(points, centres)
    assert torch.equal(found, distances.argmin(1))
    assert torch.allclose(errors, distances.min(1).values.square(), atol=1e-4)


def test_parts_get_about_equal_volume() -> None:
    energy = torch.logspace(0, -6, 24, dtype=torch.float64)
    order = balanced_order(energy, 6)
    assert sorted(order.tolist()) == list(range(24))
    volumes = energy[order].log().reshape(6, 4).sum(1)
    assert float(volumes.max() - volumes.min()) < 0.1 * abs(float(energy.log().sum())) / 6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_products_with_columns_of_any_bits_are_those_with_the_decoded_ones(
    dtype: torch.dtype,
) -> None:
    matrix = round_columns(random(50, 40), [8, 5, 3, 1, 0], torch.float32)
    x = random(3, 40)
    expected = x @ matrix.to_dense().float().T
    exact = 1e-5 if dtype == torch.float32 else 0.03
    found = matrix.linear(x.to(dtype)).float()
    assert torch.allclose(found, expected, rtol=exact, atol=exact * float(expected.abs().max()))
