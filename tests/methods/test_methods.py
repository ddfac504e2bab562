"""What every method promises, tried on each one that is registered."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.methods import METHODS, build_method
from compress_lib.methods.statistics import GRADIENTS, KINDS, Statistics
from tests.support.storages import CASES

NAMES = sorted(METHODS)
SHAPES = [(96, 32), (32, 96), (50, 33)]
BUDGET = 2000
"""For 96 × 32 in 16 bits: about a third of its bytes."""

QUICK = {"epochs": 4, "batch_size": 16, "anneal_epochs": 2, "learning_rate": 1e-4}
"""Values for options of methods that train, so that the tests take seconds."""


def make(case: str, **options: object) -> object:
    name, given = CASES[case]
    known = {option.name for option in METHODS[name].options()}
    quick = {key: value for key, value in QUICK.items() if key in known}
    return build_method(name, {**quick, **given, **options})


def weight(shape: tuple[int, int], dtype: torch.dtype = torch.float16) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    rows, cols = shape
    signal = torch.randn(rows, 4, generator=generator) @ torch.randn(4, cols, generator=generator)
    return (signal + 0.1 * torch.randn(rows, cols, generator=generator)).mul(0.1).to(dtype)


def statistics(rows: int, cols: int) -> Statistics:
    """Everything a method may need, made up."""
    counts = torch.arange(rows, 0, -1)
    inputs = torch.randn(4 * cols, cols, generator=torch.Generator().manual_seed(2)) + 0.1
    gradients: dict[str, Any] = {
        name: counts.float() for names in GRADIENTS.values() for name in names
    }
    back = torch.randn(4 * rows, rows, generator=torch.Generator().manual_seed(3))
    return Statistics(
        **gradients,
        output_gradient=back.T @ back / len(back),
        second_moment=inputs.T @ inputs / len(inputs),
        mean=inputs.mean(0),
        num_tokens=int(counts.sum()),
        row_counts=counts,
        perplexity=lambda matrix: float(matrix.to_dense().abs().mean()),
    )


def compress(name: str, given: Tensor, budget: int, **options: object) -> object:
    method = make(name, **options)
    return method.compress_within(given, budget, statistics(*given.shape))  # type: ignore[attr-defined]


def room(name: str, given: Tensor, nbytes: int) -> int:
    """Return so many bytes, or what a method takes whose size does not follow its budget."""
    if not METHODS[CASES[name][0]].fixed_size:
        return nbytes
    shape, itemsize = (given.shape[0], given.shape[1]), given.element_size()
    return make(name).preview(shape, budget=2**40, itemsize=itemsize).nbytes  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(params=sorted(CASES))
def name(request: pytest.FixtureRequest) -> str:
    """A method in one of its storages."""
    return str(request.param)


@pytest.fixture(params=NAMES)
def method(request: pytest.FixtureRequest) -> str:
    """A method as it is."""
    return str(request.param)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("keep", [0.3, 0.5, 0.9, 1.0])
def test_it_stays_within_its_budget_and_does_what_it_announced(
    name: str, shape: tuple[int, int], keep: float
) -> None:
    given = weight(shape)
    budget = room(name, given, int(keep * given.nbytes))
    announced = make(name).preview(shape, budget=budget, itemsize=2)  # type: ignore[attr-defined]
    matrix = compress(name, given, budget)
    assert matrix.shape == shape  # type: ignore[attr-defined]
    assert matrix.nbytes <= announced.nbytes <= budget  # type: ignore[attr-defined]
    assert matrix.nbytes == announced.nbytes or announced.is_upper_bound  # type: ignore[attr-defined]
    assert matrix.rank == announced.rank or announced.is_upper_bound  # type: ignore[attr-defined]


def test_it_leaves_its_input_alone(name: str) -> None:
    given = weight((96, 32))
    before = given.clone()
    compress(name, given, room(name, given, BUDGET))
    assert torch.equal(given, before)


def test_it_gives_the_same_for_the_same(name: str) -> None:
    given = weight((96, 32))
    budget = room(name, given, BUDGET)
    torch.manual_seed(1)
    first = compress(name, given, budget)
    torch.manual_seed(2)
    second = compress(name, given, budget)
    assert torch.equal(first.to_dense(), second.to_dense())  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_what_it_returns_is_what_a_checkpoint_would_hold(name: str, dtype: torch.dtype) -> None:
    given = weight((96, 32), dtype)
    budget = room(name, given, given.nbytes // 2)
    matrix = compress(name, given, budget)
    for tensor in matrix.state_dict().values():  # type: ignore[attr-defined]
        if tensor.is_floating_point():
            assert torch.equal(tensor, tensor.to(dtype).float())
    assert matrix.nbytes <= budget  # type: ignore[attr-defined]


def test_more_bytes_never_hurt_much_and_all_bytes_are_close(name: str) -> None:
    if METHODS[CASES[name][0]].is_control:
        pytest.skip("a control promises nothing")
    given = weight((96, 32))
    budgets = [room(name, given, int(keep * given.nbytes)) for keep in (0.3, 0.6, 1.0)]
    found = [compress(name, given, budget) for budget in budgets]
    errors = [
        float((matrix.to_dense() - given.float()).norm() / given.float().norm())  # type: ignore[attr-defined]
        for matrix in found
    ]
    assert errors[2] <= errors[1] * 1.05
    assert errors[1] <= errors[0] * 1.05
    # The weight is nearly of rank 4, which what has a rank must find. Whatever else there is must
    # be better than keeping three entries in ten and losing the rest.
    assert errors[0] < (0.7 if found[0].rank is not None else 0.7**0.5)  # type: ignore[attr-defined]


def test_too_small_a_budget_is_refused_before_work(name: str) -> None:
    with pytest.raises(BudgetError, match="needs at least"):
        compress(name, weight((96, 32)), 20)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused(name: str, bad: float) -> None:
    given = weight((96, 32))
    given[3, 5] = bad
    with pytest.raises(CompressionError, match="1 entries that are not finite"):
        compress(name, given, room(name, given, BUDGET))


def test_rows_of_zeros_stay_finite(name: str) -> None:
    given = weight((96, 32))
    given[7] = 0
    assert torch.isfinite(compress(name, given, room(name, given, BUDGET)).to_dense()).all()  # type: ignore[attr-defined]


def test_an_unknown_option_is_told_the_nearest(method: str) -> None:
    with pytest.raises(CompressionError, match="ranc|no options"):
        build_method(method, {"ranc": 3})


def test_it_is_described_and_frozen(method: str) -> None:
    kind = METHODS[method]
    assert kind.name == method
    assert kind.label and kind.paper
    assert kind.summary.endswith(".")
    assert make(method).required_statistics <= KINDS  # type: ignore[attr-defined]
    assert dataclasses.is_dataclass(kind)
    for option in kind.options():
        assert option.label and option.help.endswith(".")
        assert option.coerce(option.default) == option.default
    with pytest.raises(dataclasses.FrozenInstanceError):
        make(method).anything = 1


def test_a_statistic_that_is_missing_is_named(name: str) -> None:
    needs = make(name).required_statistics  # type: ignore[attr-defined]
    if not needs:
        pytest.skip("needs none")
    with pytest.raises(CompressionError, match="|".join(needs)):
        make(name).compress_within(weight((96, 32)), BUDGET, Statistics())  # type: ignore[attr-defined]


def test_methods_can_be_listed_without_torch() -> None:
    code = "import compress_lib.methods, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_method_is_told_the_nearest() -> None:
    with pytest.raises(CompressionError, match="'row_normalised_svd'.*'row_normalized_svd'"):
        build_method("row_normalised_svd", {})


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"epochs": 0}, "epochs must be a number from 1"),
        ({"epochs": "many"}, "not 'many'"),
        ({"epochs": 2.5}, "whole number"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"select_best_by": "perplexiti"}, "Did you mean 'perplexity'"),
        ({"cosine": -1}, "cosine must be a number of at least 0"),
    ],
)
def test_a_wrong_option_is_one_sentence(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(CompressionError, match=complaint):
        build_method("autoencoder", options)
