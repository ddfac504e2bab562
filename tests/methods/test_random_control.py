"""The control: the right size, the right norm, and nothing else."""

from __future__ import annotations

import pytest
import torch

from compress_lib.matrices import CompressedMatrix, LowRankMatrix
from compress_lib.matrices.reconstruction_error import row_errors
from compress_lib.methods import METHODS, build_method
from compress_lib.methods.statistics import Statistics
from compress_lib.plan.rule import Rule


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def compress(weight: torch.Tensor, keep: float = 0.5, **options: object) -> CompressedMatrix:
    method = build_method("random_control", options)
    budget = int(keep * weight.nbytes)
    return method.compress_within(weight, budget, Statistics())


@pytest.mark.parametrize("scale", [1e-2, 1.0, 100.0])
def test_it_has_the_norm_of_the_weight_and_the_rank_that_fits(scale: float) -> None:
    weight = (random(90, 40) * scale).half()
    matrix = compress(weight)
    assert torch.allclose(matrix.to_dense().norm(), weight.float().norm(), rtol=2e-3)
    svd = build_method("svd", {}).preview((90, 40), budget=weight.nbytes // 2, itemsize=2)
    assert (matrix.rank, matrix.nbytes) == (svd.rank, svd.nbytes)
    assert isinstance(matrix, LowRankMatrix)


def test_it_knows_nothing_of_the_rows() -> None:
    weight = random(400, 60)
    errors = row_errors(weight, compress(weight))
    assert float(errors.direction.mean()) == pytest.approx(1, abs=0.05)
    assert errors.relative == pytest.approx(2**0.5, abs=0.05)


def test_the_seed_decides_and_the_plan_gives_one() -> None:
    weight = random(20, 20)
    assert torch.equal(compress(weight, seed=3).to_dense(), compress(weight, seed=3).to_dense())
    assert not torch.equal(compress(weight, seed=3).to_dense(), compress(weight, seed=4).to_dense())
    assert Rule(method="random_control").build(7) == build_method("random_control", {"seed": 7})


def test_a_weight_of_zeros_stays_zero() -> None:
    assert not compress(torch.zeros(12, 12)).to_dense().any()


def test_it_is_marked_as_a_control_and_real_methods_are_not() -> None:
    assert [name for name, method in METHODS.items() if method.is_control] == ["random_control"]
