"""The control keeps a weight's norm, and nothing else of it."""

from __future__ import annotations

import torch

from compress_lib.calibration import Statistics
from compress_lib.evaluation.direction import direction_error
from compress_lib.methods import build_method


def test_the_norm_is_kept_and_the_directions_are_random() -> None:
    weight = torch.randn(300, 64, generator=torch.Generator().manual_seed(1))
    made = build_method("random_control", {}).compress(
        weight, budget=weight.nbytes // 2, statistics=Statistics()
    )
    assert torch.allclose(made.dense().norm(), weight.norm(), rtol=1e-3)
    assert abs(float(direction_error(weight, made.dense()).mean()) - 1) < 0.05


def test_another_seed_gives_other_numbers() -> None:
    weight = torch.ones(30, 20)
    first, second = (
        build_method("random_control", {"seed": seed}).compress(
            weight, budget=weight.nbytes // 2, statistics=Statistics()
        )
        for seed in (1, 2)
    )
    assert not torch.equal(first.dense(), second.dense())
