"""Factorizations against their theorems."""

from __future__ import annotations

import pytest
import torch

from compress_lib.matrices.reconstruction_error import direction_error
from compress_lib.methods import build_method
from compress_lib.methods.linalg import balance, row_scaled_svd, top_right_vectors, truncate_svd
from compress_lib.methods.statistics import Statistics


def random(rows: int, cols: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (20, 20)])
@pytest.mark.parametrize("rank", [1, 5, 12])
def test_truncation_loses_just_the_dropped_singular_values(
    shape: tuple[int, int], rank: int
) -> None:
    # Eckart and Young: the least squared error is the sum of the dropped squared values.
    weight = random(*shape)
    left, right = truncate_svd(weight, rank)
    values = torch.linalg.svdvals(weight.double())
    lost = (weight - left @ right).double().square().sum()
    assert float(lost) == pytest.approx(float(values[rank:].square().sum()), abs=1e-8, rel=1e-5)


def test_small_singular_values_survive_the_gram_matrix() -> None:
    # A Gram matrix squares the condition number; float64 keeps six digits of the weight's own.
    left, right = torch.linalg.qr(random(60, 10))[0], torch.linalg.qr(random(10, 10, 1))[0]
    weight = left * torch.logspace(0, -5, 10) @ right
    basis = top_right_vectors(weight.double(), 9)
    dropped = (weight.double() - weight.double() @ basis.T @ basis).norm()
    assert float(dropped) == pytest.approx(1e-5, rel=0.05)


def test_row_scaled_svd_is_the_best_weighted_answer() -> None:
    weight, scale = random(50, 10), random(50, 1, 2)[:, 0].abs() + 0.01
    left, right = row_scaled_svd(weight, scale, 4)
    error = (scale[:, None] * (weight - left @ right)).double().square().sum()
    values = torch.linalg.svdvals((scale[:, None] * weight).double())
    assert float(error) == pytest.approx(float(values[4:].square().sum()), rel=1e-5)


def test_row_normalised_svd_maximises_squared_cosines() -> None:
    # cos(x, Px) = |Px| / |x|, so the sum of squared cosines is the kept energy of unit rows.
    weight = random(80, 12) * torch.logspace(-2, 2, 80)[:, None]
    method = build_method("row_normalized_svd", {})
    budget = 5 * (80 + 12) * 4
    matrix = method.compress_within(weight, budget, Statistics())
    cosines = 1 - direction_error(weight, matrix.to_dense()).double()
    unit = weight / weight.norm(dim=1, keepdim=True)
    kept = torch.linalg.svdvals(unit.double())[:5].square().sum()
    assert float(cosines.square().sum()) == pytest.approx(float(kept), rel=1e-5)


def test_row_normalised_svd_ignores_how_long_rows_are() -> None:
    weight, scale = random(40, 8), torch.logspace(-1, 1, 40)[:, None]
    method = build_method("row_normalized_svd", {})
    plain = method.compress_within(weight, 3 * 48 * 4, Statistics()).to_dense()
    scaled = method.compress_within(weight * scale, 3 * 48 * 4, Statistics()).to_dense()
    assert torch.allclose(scaled, plain * scale, atol=1e-4)


def test_frequent_tokens_are_kept_better_than_rare_ones() -> None:
    weight = random(100, 16)
    counts = torch.ones(100, dtype=torch.long)
    counts[:10] = 10_000
    method = build_method("frequency_svd", {})
    known = Statistics(num_tokens=int(counts.sum()), row_counts=counts)
    matrix = method.compress_within(weight, 10 * 116 * 4, known)
    errors = direction_error(weight, matrix.to_dense())
    assert float(errors[:10].max()) < 0.01 < float(errors[10:].mean())


def test_frequency_to_the_power_zero_is_plain_svd() -> None:
    weight = random(30, 8)
    known = Statistics(num_tokens=30, row_counts=torch.arange(30))
    flat = build_method("frequency_svd", {"power": 0.0})
    plain = build_method("svd", {})
    a = flat.compress_within(weight, 600, known).to_dense()
    b = plain.compress_within(weight, 600, known).to_dense()
    assert torch.allclose(a, b, atol=1e-5)


def test_balanced_factors_share_the_norm_and_keep_the_product() -> None:
    left, right = random(20, 4) * 1e4, random(4, 10) * 1e-4
    a, b = balance(left, right)
    assert torch.allclose(a @ b, left @ right, rtol=1e-4)
    assert torch.allclose(a.norm(dim=0), b.norm(dim=1), rtol=1e-4)


def test_a_huge_vocabulary_needs_no_matrix_of_its_square() -> None:
    # P2's code builds np.diag of a vocabulary-long vector: 3.7 GB at 30,522 rows.
    weight = random(200_000, 4)
    left, _right = row_scaled_svd(weight, torch.ones(200_000), 2)
    assert left.shape == (200_000, 2)
