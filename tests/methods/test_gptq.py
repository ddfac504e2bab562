"""Error feedback: the outputs' error falls, and each step is the least-squares answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from compress_lib.errors import CompressionError
from compress_lib.matrices import CompressedMatrix
from compress_lib.methods import METHODS, build_method
from compress_lib.methods.quantization import gptq
from compress_lib.methods.quantization.gptq import DAMPING, quantize_gptq
from compress_lib.methods.quantization.rounding import (
    NormalFloatGrid,
    UniformGrid,
    quantize,
    quantize_to,
)
from compress_lib.methods.statistics import Statistics

NAMES = sorted(name for name, method in METHODS.items() if method.fixed_size)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def with_feedback(
    weight: Tensor, moment: Tensor, bits: int, group: int | None = None, range_name: str = "mse"
) -> CompressedMatrix:
    levels = UniformGrid(bits, True, range_name)
    return quantize_gptq(levels, weight, moment, group or weight.shape[1])


def correlated(cols: int) -> Tensor:
    """The second moment of inputs that have much in common."""
    inputs = random(4 * cols, cols) @ (random(cols, cols) + 2) / cols**0.5
    moment: Tensor = inputs.T @ inputs / len(inputs)
    return moment


def output_error(found: Tensor, weight: Tensor, moment: Tensor) -> float:
    error = (found - weight.float()).double()
    return float(((error @ moment.double()) * error).sum())


def test_inputs_without_anything_in_common_leave_rounding_to_nearest() -> None:
    weight = random(20, 70).half()
    for moment in (torch.eye(70), torch.rand(70).diag(), torch.zeros(70, 70)):
        found = with_feedback(weight, moment, 3, 16, range_name="minmax")
        assert torch.equal(found.to_dense(), quantize(weight, 3, 16).to_dense())
        assert found.nbytes == quantize(weight, 3, 16).nbytes


def by_the_book(weight: Tensor, moment: Tensor, bits: int) -> Tensor:
    """One column after the other, the inverse of what is left computed anew for each."""
    levels = UniformGrid(bits)
    cols = weight.shape[1]
    order = moment.diagonal().argsort(descending=True)
    left, moment = weight.double()[:, order], moment[order][:, order]
    damped = moment.double() + DAMPING * moment.double().diagonal().mean() * torch.eye(cols)
    scales = levels.calibrate(weight.float(), weight.dtype)
    found = torch.zeros_like(left)
    for index in range(cols):
        inverse = torch.linalg.inv(damped[index:, index:])
        codes = levels.encode(left[:, index].float(), scales)
        found[:, index] = levels.decode(codes, scales).double()
        error = (left[:, index] - found[:, index]) / inverse[0, 0]
        left[:, index:] -= error[:, None] * inverse[0]
    return found[:, order.argsort()].float()


def test_each_step_is_the_least_squares_answer() -> None:
    weight, moment = random(8, 90).half(), correlated(90)
    expected = by_the_book(weight, moment, 4)
    found = with_feedback(weight, moment, 4, range_name="minmax").to_dense()
    # A value between two codes may fall either way in other arithmetic.
    assert float((found - expected).abs().gt(1e-3).float().mean()) < 0.01


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group", [None, 7, 32, 64, 100])
def test_the_outputs_error_falls(bits: int, group: int | None) -> None:
    weight, moment = random(48, 200).half(), correlated(200)
    found = with_feedback(weight, moment, bits, group)
    nearest = quantize(weight, bits, group, range_name="mse")
    assert found.nbytes == nearest.nbytes
    before = output_error(nearest.to_dense(), weight, moment)
    # Narrow groups leave columns little room to make up for others.
    least = 1 if group == 7 else 0.8
    assert output_error(found.to_dense(), weight, moment) < least * before


def test_any_levels_can_be_fed_back_to() -> None:
    weight, moment = random(48, 130).bfloat16(), correlated(130)
    for levels in (NormalFloatGrid(4, "mse"), UniformGrid(3, minimum=False, range="hqq")):
        found, nearest = quantize_gptq(levels, weight, moment, 32), quantize_to(levels, weight, 32)
        assert type(found) is type(nearest) and found.nbytes == nearest.nbytes
        before = output_error(nearest.to_dense(), weight, moment)
        assert output_error(found.to_dense(), weight, moment) < before


@pytest.mark.parametrize("group", [None, 7, 64, 100])
def test_how_columns_are_blocked_does_not_matter(
    group: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight, moment = random(16, 200).half(), correlated(200)
    results = []
    for block in (1, 64, 1000):
        monkeypatch.setattr(gptq, "BLOCK", block)
        results.append(with_feedback(weight, moment, 4, group).to_dense())
    for found in results[1:]:
        # A code that falls the other way moves those after it, but not the outcome.
        errors = [output_error(one, weight, moment) for one in (results[0], found)]
        assert errors[0] == pytest.approx(errors[1], rel=0.1)


def test_an_input_that_was_never_seen_is_rounded_to_nearest_and_disturbs_nothing() -> None:
    weight, moment = random(20, 40).half(), correlated(40)
    moment[5] = 0
    moment[:, 5] = 0
    found = with_feedback(weight, moment, 4, range_name="minmax").to_dense()
    assert torch.equal(found[:, 5], quantize(weight, 4).to_dense()[:, 5])


def test_fewer_texts_than_inputs_are_enough() -> None:
    inputs = random(3, 60)
    weight, moment = random(20, 60).half(), inputs.T @ inputs
    found = with_feedback(weight, moment, 3, 20).to_dense()
    assert torch.isfinite(found).all()
    assert output_error(found, weight, moment) < 0.2 * output_error(
        quantize(weight, 3, 20).to_dense(), weight, moment
    )


def test_a_moment_that_rounding_made_negative_is_damped_until_it_is_not() -> None:
    moment = torch.ones(30, 30) - 0.5 * torch.eye(30)
    found = with_feedback(random(4, 30).half(), moment, 3, 10)
    assert torch.isfinite(found.to_dense()).all()


def test_a_moment_that_is_not_finite_is_refused() -> None:
    moment = correlated(20)
    moment[3, 4] = float("nan")
    with pytest.raises(CompressionError, match="1 entries that are not finite"):
        with_feedback(random(4, 20).half(), moment, 4)


@pytest.mark.parametrize("name", NAMES)
def test_methods_need_the_inputs_moment_only_for_feedback(name: str) -> None:
    assert not build_method(name, {}).required_statistics
    method = build_method(name, {"algorithm": "gptq"})
    assert method.required_statistics == {"second_moment"}
    weight, moment = random(30, 96).half(), correlated(96)
    budget = weight.nbytes
    statistics = Statistics(second_moment=moment)
    fed = method.compress_within(weight, budget, statistics)
    plain = build_method(name, {}).compress_within(weight, budget, Statistics())
    assert fed.nbytes == plain.nbytes
    after, before = (output_error(m.to_dense(), weight, moment) for m in (fed, plain))
    assert after < before
