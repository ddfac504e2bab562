"""Token tables: bytes go to the tokens and the directions that the model's loss minds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from compress_lib.compression.compress import compress_at_once
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.rotated import RotatedMatrix
from compress_lib.matrices.row_blocks import BlocksMatrix
from compress_lib.methods import build_method
from compress_lib.methods.row_importance import row_importance
from compress_lib.methods.statistics import Statistics
from compress_lib.methods.token_tables.column_rounding import round_columns
from compress_lib.methods.token_tables.whitening import WhitenedTable
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.stored_tensors import total_bytes
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import preview
from tests.support.tiny import tiny_model

METHODS = ("group_reduce", "tiered", "product_quantization")
ROWS, COLS = 2048, 32


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def table() -> Tensor:
    """Rows in which directions carry more and less, as in a trained table."""
    return (random(ROWS, COLS) * torch.logspace(0, -1.5, COLS)).mul(0.1).half()


def zipf(rows: int = ROWS, cols: int = COLS) -> Statistics:
    counts = 10_000 // torch.arange(1, rows + 1)
    states = random(4 * cols, cols, seed=1) * torch.linspace(2, 0.1, cols)
    return Statistics(row_counts=counts, second_moment=states.T @ states / len(states))


def compress(name: str, weight: Tensor, keep: float, **options: object) -> CompressedMatrix:
    budget = int(keep * weight.nbytes)
    statistics = zipf(*weight.shape)
    return build_method(name, options).compress_within(weight, budget, statistics)


def cost(matrix: CompressedMatrix, weight: Tensor, power: float = 0.6) -> float:
    """What methods minimise, as a share of what an empty table would cost."""
    statistics = zipf(*weight.shape)
    f = row_importance(statistics, power=power)
    moment = statistics.require("second_moment").double()
    metric = 0.95 * moment + 0.05 * moment.diagonal().mean() * torch.eye(len(moment))
    error = (matrix.to_dense() - weight).double()
    empty = weight.double()
    spent = (f * ((error @ metric) * error).sum(1)).sum()
    return float(spent / (f * ((empty @ metric) * empty).sum(1)).sum())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("keep", [0.2, 0.4])
def test_nearly_all_bytes_are_spent(name: str, keep: float) -> None:
    weight = table()
    budget = int(keep * weight.nbytes)
    announced = build_method(name, {}).preview((ROWS, COLS), budget=budget, itemsize=2)
    matrix = compress(name, weight, keep)
    assert matrix.nbytes <= announced.nbytes <= budget
    assert matrix.nbytes >= 0.96 * announced.nbytes


@pytest.mark.parametrize("name", METHODS)
def test_more_bytes_cost_less(name: str) -> None:
    weight = table()
    costs = [cost(compress(name, weight, keep), weight) for keep in (0.15, 0.3, 0.5, 0.8)]
    assert costs == sorted(costs, reverse=True)


def test_frequent_tokens_are_kept_better() -> None:
    weight = table()
    for name in ("group_reduce", "tiered"):
        errors = (compress(name, weight, 0.25).to_dense() - weight).norm(dim=1)
        assert errors[:64].mean() < 0.7 * errors[-512:].mean()


def test_importance_and_metric_pay_in_what_they_stand_for() -> None:
    weight = table()
    for name in METHODS:
        best = cost(compress(name, weight, 0.25), weight)
        assert best < cost(compress(name, weight, 0.25, power=0.0), weight)
        assert best < cost(compress(name, weight, 0.25, metric="plain"), weight)


def test_tiers_beat_one_tier_and_blocks_one_block() -> None:
    weight = table()
    assert cost(compress("tiered", weight, 0.2), weight) < cost(
        compress("tiered", weight, 0.2, tiers=1), weight
    )
    # As many blocks as asked for are tried, and fewer, so that more can only help.
    assert (
        cost(compress("group_reduce", weight, 0.5, blocks=8), weight)
        <= cost(compress("group_reduce", weight, 0.5, blocks=1), weight) * 1.001
    )


def test_coordinates_are_the_table_and_their_errors_the_cost() -> None:
    weight, statistics = table(), zipf()
    f = row_importance(statistics, power=0.6)
    found = WhitenedTable.of(weight, f, statistics.second_moment, 0.05)
    whole = (found.coefficients.double() * found.variance.sqrt()) @ found.basis
    assert torch.allclose(whole, weight.double(), atol=1e-6)
    assert torch.allclose(
        (f[:, None] * found.coefficients.double().square()).mean(0),
        torch.ones(COLS).double(),
        rtol=1e-4,
    )
    assert (found.variance.diff() <= 0).all()
    # An error of one column costs what its energy says.
    wrong = found.coefficients.double() * found.variance.sqrt()
    wrong[:, 3] = 0
    moment = statistics.require("second_moment").double()
    metric = 0.95 * moment / moment.diagonal().mean() + 0.05 * torch.eye(COLS)
    error = wrong @ found.basis - weight.double()
    spent = (f * ((error @ metric) * error).sum(1)).mean()
    assert torch.allclose(spent, found.variance[3], rtol=1e-4)


def test_a_basis_fitted_to_what_is_stored_is_never_worse() -> None:
    weight, statistics = table(), zipf()
    f = row_importance(statistics, power=0.6)
    found = WhitenedTable.of(weight, f, statistics.second_moment, 0.05)
    inner = BlocksMatrix.of(
        [round_columns(found.coefficients[:, :16], [3, 1], torch.float16)],
        torch.zeros(ROWS, dtype=torch.long),
    )
    before = found.variance[:16, None].sqrt() * found.basis[:16]
    after = found.refit(inner.to_dense(), weight, before)
    fitted, plain = (RotatedMatrix.of(inner, basis) for basis in (after, before))
    assert cost(fitted, weight) < cost(plain, weight)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(1, 40), (3, 5), (40, 1), (300, 7)])
def test_odd_shapes_are_compressed_or_refused_in_a_sentence(
    name: str, shape: tuple[int, int]
) -> None:
    weight = random(*shape).half()
    for keep in (0.02, 0.3, 1.0):
        try:
            matrix = compress(name, weight, keep)
        except BudgetError as error:
            assert "needs at least" in str(error)
            continue
        assert matrix.nbytes <= int(keep * weight.nbytes)
        assert torch.isfinite(matrix.to_dense()).all()


@pytest.mark.parametrize("name", METHODS)
def test_what_is_said_to_be_needed_at_least_is_enough(name: str) -> None:
    with pytest.raises(BudgetError) as refused:
        build_method(name, {}).preview((ROWS, COLS), budget=100, itemsize=2)
    least = int(str(refused.value).split("at least ")[1].split(" bytes")[0].replace(",", ""))
    method = build_method(name, {})
    assert method.preview((ROWS, COLS), budget=least, itemsize=2).nbytes <= least
    with pytest.raises(BudgetError):
        method.preview((ROWS, COLS), budget=least - 1, itemsize=2)
    assert method.compress_within(table(), least, zipf()).nbytes <= least


@pytest.mark.parametrize("name", METHODS)
def test_a_table_of_zeros_or_of_equal_rows_stays_finite(name: str) -> None:
    for weight in (torch.zeros(64, 16).half(), random(1, 16).half().expand(64, 16).contiguous()):
        dense = compress(name, weight, 0.5).to_dense()
        assert torch.isfinite(dense).all()
        assert float((dense - weight).norm()) <= 0.2 * float(weight.float().norm())


def test_codes_may_have_chosen_bits_only() -> None:
    matrix = compress("tiered", table(), 0.25, bits="2, 8,4")
    graded_blocks = [part for part in matrix.modules() if hasattr(part, "bands")]
    assert len(graded_blocks) > 1
    assert {bits for part in graded_blocks for bits, _ in part.bands} <= {2, 4, 8}  # type: ignore[union-attr]
    for wrong in ("", "9", "8;4", "eight"):
        with pytest.raises(CompressionError, match="numbers from 1 to 8"):
            build_method("tiered", {"bits": wrong})


def test_a_table_that_is_only_looked_up_needs_no_hidden_states() -> None:
    tied = Target(("a", "b"), "embedding", None, (8, 4), 64)
    method = build_method("tiered", {})
    assert method.for_target(tied).required_statistics == {"row_counts", "second_moment"}
    assert method.for_target(replace(tied, names=("a",))).required_statistics == {"row_counts"}
    assert (
        method.for_target(replace(tied, names=("b",), family="head")).required_statistics
        == method.required_statistics
    )


@pytest.mark.parametrize("architecture", ["llama", "llama_untied", "gpt2", "gemma3", "bert"])
@pytest.mark.parametrize("name", METHODS)
def test_tables_of_models_come_back_from_disk_bit_for_bit(
    name: str, architecture: str, tmp_path: Path
) -> None:
    model = tiny_model(architecture)
    families = {target.family for target in model.targets} & {"embedding", "head"}
    options = {"sample": 512} if name == "product_quantization" else {}
    rules = tuple(Rule(pattern=one, method=name, keep=0.6, options=options) for one in families)
    ids = torch.arange(4, 300)
    done, small = compress_at_once(
        model,
        allocate(Plan(rules=rules), model.targets),
        calibration=Calibration.from_blocks([ids[:64]]),
    )
    assert {item.record.method for item in done} == {name}
    folder = save_compressed(small, tmp_path / "saved")
    again = load_compressed(folder, device="cpu")
    with torch.inference_mode():
        expected = small.module(ids[None, :40]).logits
        assert torch.equal(again.module(ids[None, :40]).logits, expected)
    assert total_bytes(again) == total_bytes(small)


def test_the_page_says_that_a_size_is_a_bound() -> None:
    rule = Rule(pattern="embedding", method="tiered", keep=0.25)
    assert "→ at most " in preview.describe_plan(Engine(), Plan(rules=(rule,)))
    rule = Rule(pattern="embedding", method="svd", keep=0.25)
    assert "at most " not in preview.describe_plan(Engine(), Plan(rules=(rule,))).partition("→")[2]


def test_later_stages_code_what_the_earlier_left() -> None:
    weight = table()
    one, two = (
        compress("product_quantization", weight, 0.6, sub=8, bits=5, stages=stages)
        for stages in (1, 2)
    )
    assert one.nbytes < two.nbytes
    assert cost(two, weight) < 0.8 * cost(one, weight)
