"""Direction errors: angles known beforehand, edges, and the control."""

from __future__ import annotations

import math

import pytest
import torch

from compress_lib.evaluation.direction import EDGES, histogram, summarize
from compress_lib.matrices import DenseMatrix
from compress_lib.matrices.reconstruction_error import direction_error, row_errors


@pytest.mark.parametrize("degrees", [0, 0.01, 1, 45, 90, 135, 180])
def test_it_is_one_minus_the_cosine_whatever_the_norms(degrees: float) -> None:
    angle = math.radians(degrees)
    a = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    b = 7 * torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    expected = 2 * math.sin(angle / 2) ** 2
    assert float(direction_error(a, b)) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_zero_rows_have_no_direction_to_lose() -> None:
    zero, one = torch.zeros(1, 3), torch.ones(1, 3)
    assert float(direction_error(zero, zero)) == 0
    assert float(direction_error(one, zero)) == 1
    assert float(direction_error(zero, one)) == 1


def test_only_the_norm_changed_means_no_direction_error() -> None:
    weight = torch.randn(50, 8).half()
    found = row_errors(weight, DenseMatrix.from_weight(weight * 2))
    assert float(found.direction.max()) < 1e-6
    assert found.relative == pytest.approx(1.0)


def test_the_control_is_noise_as_large_as_the_error() -> None:
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(4000, 64, generator=generator)
    noisy = weight + 0.5 * torch.randn(4000, 64, generator=generator)
    found = row_errors(weight, DenseMatrix.from_weight(noisy))
    # The error is itself random noise, so the control must find the same.
    assert float(found.control.mean()) == pytest.approx(float(found.direction.mean()), rel=0.05)


def test_chunks_do_not_show() -> None:
    weight = torch.randn(20_000, 4)
    changed = DenseMatrix.from_weight(weight + 0.1)
    found = row_errors(weight, changed)
    assert torch.allclose(found.direction, direction_error(weight, changed.to_dense()))
    assert found.squared_norm == pytest.approx(float(weight.double().square().sum()), rel=1e-6)


def test_summary_and_histogram_count_every_row() -> None:
    errors = torch.linspace(0, 1, 1001)
    summary = summarize(errors)
    assert summary.mean == pytest.approx(0.5)
    assert summary.p50 == pytest.approx(0.5, abs=0.002)
    assert summary.p95 == pytest.approx(0.95, abs=0.002)
    assert summary.max == 1
    assert summary.weighted_mean is None
    counts = histogram(errors)
    assert sum(counts) == 1001
    assert len(counts) == len(EDGES) - 1


def test_histogram_bins_are_half_open_and_the_last_holds_all_beyond_one() -> None:
    counts = histogram(torch.tensor([0.0, 0.0005, 0.001, 0.999, 1.0, 1.5, 2.0]))
    assert list(EDGES) == sorted(set(EDGES))
    assert counts[0] == 1
    assert sum(counts[: EDGES.index(0.001)]) == 2
    assert counts[EDGES.index(0.001)] == 1
    assert counts[-2] == 1
    assert counts[-1] == 3
    assert sum(counts) == 7


def test_tables_in_eight_bits_are_told_apart() -> None:
    # Rows that turn by about 1e-5, as eight bits make them, or twice and ten times as much.
    seen = [histogram(scale * torch.linspace(0.5e-5, 2e-5, 500)) for scale in (1, 2, 10)]
    peaks = [counts.index(max(counts)) for counts in seen]
    assert peaks[0] < peaks[1] < peaks[2]
    assert all(max(counts) < 250 for counts in seen)


def test_token_counts_weigh_the_mean() -> None:
    summary = summarize(torch.tensor([0.1, 0.5]), torch.tensor([3, 1]))
    assert summary.weighted_mean == pytest.approx(0.2)
    assert summarize(torch.tensor([0.1]), torch.tensor([0])).weighted_mean is None
