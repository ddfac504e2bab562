"""Sharing out bytes beside everything else that a rule can say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.compression.compress import allocate_by_loss, compress_at_once
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import CompressionError
from compress_lib.methods import build_method
from compress_lib.methods.curvature import replacement_loss
from compress_lib.methods.linalg import lower_root, row_side, two_sided_bases
from compress_lib.methods.low_rank.storage_sizes import FactorStorage
from compress_lib.methods.statistics import GATHERED, Statistics, count_rows, curvature_needs
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import read_weight
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from tests.support.tiny import tiny_model


def text(model: LanguageModel) -> Calibration:
    made = torch.Generator().manual_seed(7)
    size = model.module.config.vocab_size
    return Calibration.from_blocks(
        tuple(torch.randint(size, (40,), generator=made) for _ in range(3))
    )


def spread(*shape: int, seed: int = 0) -> torch.Tensor:
    """A random positive definite matrix, or several along a diagonal."""
    x = torch.randn(*shape[:-1], 3 * shape[-1], generator=torch.Generator().manual_seed(seed))
    return x @ x.mT


@pytest.mark.parametrize("architecture", ["llama", "llama_untied", "gpt2", "gpt_neox", "gemma3"])
def test_the_best_of_several_is_found_for_every_matrix(architecture: str) -> None:
    model = tiny_model(architecture)
    rule = Rule(method="mixed", keep=0.6, allocation="automatic")
    shared = allocate_by_loss(model, allocate(Plan(rules=(rule,)), model.targets), text(model))
    done, _ = compress_at_once(model, shared.assignments, calibration=text(model))
    records = [one.record for one in done]
    spent = sum(record.bytes_after for record in records)
    dense = sum(t.nbytes for t in model.targets) - sum(record.bytes_before for record in records)
    assert spent + dense <= 0.6 * sum(t.nbytes for t in model.targets)


@pytest.mark.parametrize("method", ["two_sided_svd", "svd", "int8", "autoencoder"])
@pytest.mark.parametrize("group", ["separated", "concatenated"])
def test_bytes_are_shared_out_among_groups_of_any_shape(method: str, group: str) -> None:
    options: dict[str, object] = (
        {"epochs": 1, "select_best_by": "none"} if method == "autoencoder" else {}
    )
    rule = Rule(
        pattern="key,ffn_in,ffn_out",
        method=method,
        keep=0.7,
        allocation="automatic",
        group=group,
        options=options,  # type: ignore[arg-type]
    )
    model = tiny_model("llama")
    shared = allocate_by_loss(model, allocate(Plan(rules=(rule,)), model.targets), text(model))
    assert not any(assignment.columns for assignment in shared.assignments)
    compress_at_once(model, shared.assignments, calibration=text(model))


def test_columns_are_no_data_where_losses_are_known_of_rows() -> None:
    rule = Rule(pattern="key", allocation="automatic", orientation="columns")
    with pytest.raises(CompressionError, match="estimates the loss for rows"):
        allocate(Plan(rules=(rule,)), tiny_model("llama").targets)


def test_where_only_the_input_end_changes_only_lookups_cost() -> None:
    model = tiny_model("llama")
    losses = {}
    for tie in ("input", "both"):
        rule = Rule(pattern="embedding", method="svd", keep=0.5, allocation="automatic", tie=tie)
        shared = allocate_by_loss(model, allocate(Plan(rules=(rule,)), model.targets), text(model))
        losses[tie] = shared.loss or 0.0
    assert 0 < losses["input"] < losses["both"]


def test_what_was_tried_for_one_rule_says_nothing_of_another() -> None:
    model = tiny_model("llama")
    measured = Rule(pattern="query@0", method="svd", keep=0.5, allocation="measured")
    other = Rule(pattern="query@1,key", method="svd", keep=0.5, allocation="automatic")
    both = allocate_by_loss(
        model, allocate(Plan(rules=(measured, other)), model.targets), text(model)
    )
    alone = allocate_by_loss(model, allocate(Plan(rules=(other,)), model.targets), text(model))
    known = {assignment.name: assignment.loss for assignment in both.assignments}
    for assignment in alone.assignments:
        assert known[assignment.name] == assignment.loss


def test_blocks_along_a_diagonal_are_the_whole_matrix() -> None:
    blocks, cols = spread(3, 8, 8), spread(12, 12, seed=1)
    whole = torch.block_diag(*blocks)
    for weight in (torch.randn(24, 12), torch.randn(24, 30)):
        side = cols if weight.shape[1] == 12 else spread(30, 30, seed=2)
        assert torch.allclose(row_side(blocks, weight), row_side(whole, weight), atol=1e-4)
        short = two_sided_bases(weight, blocks, side, 0.3, 0.1)
        long = two_sided_bases(weight, whole, side, 0.3, 0.1)
        assert torch.allclose(short["energy"], long["energy"], rtol=1e-4, atol=1e-3)
        assert torch.allclose(short["left"] @ short["right"], weight, atol=1e-3)


def test_a_root_is_found_of_what_rounding_left_not_quite_positive() -> None:
    x = 1e4 + torch.randn(30, 512, generator=torch.Generator().manual_seed(0))
    side = (x.T @ x / 30).double()
    root = lower_root(side)
    assert torch.allclose(root @ root.T, side, rtol=1e-3)


def test_only_ranks_that_are_stored_can_be_bought() -> None:
    model = tiny_model("llama")
    target = next(t for t in model.targets if t.family == "ffn_in")
    method = build_method("two_sided_svd", {"storage": "pivoted"})
    needs = {"second_moment", "output_gradient"}
    statistics = collect_statistics(model, {target.name: needs}, text(model))[target.name]
    weight = model.module.get_submodule(target.names[0]).weight.detach().half()  # type: ignore[operator]
    for point in method.curve(weight, statistics):
        budget = method.preview(target.shape, budget=point.nbytes, itemsize=2).nbytes
        assert budget == point.nbytes
    storage = FactorStorage("pivoted")
    assert storage.align_rank(401) == 400
    assert storage.align_rank(41) == 41


def test_a_candidate_that_draws_takes_the_seed_of_the_plan() -> None:
    rule = Rule(method="mixed", keep=0.5, options={"candidates": "product_quantization"})
    for seed in (3, 7):
        method = rule.build(seed)
        assert {m.option_values()["seed"] for m in method._methods} == {seed}  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["svd", "two_sided_svd", "output_pca"])
def test_an_estimate_is_about_what_the_stored_matrix_costs(method: str) -> None:
    model = tiny_model("llama")
    target = next(t for t in model.targets if t.family == "ffn_out")
    needs = {"second_moment", "output_gradient", "mean"}
    statistics = collect_statistics(model, {target.name: needs}, text(model))[target.name]
    weight = model.module.get_submodule(target.names[0]).weight.detach().half()  # type: ignore[operator]
    made = build_method(method, {})
    for point in made.curve(weight, statistics):
        if point.nbytes > weight.nbytes:
            continue
        matrix = made.compress_within(weight, point.nbytes, statistics)
        found = replacement_loss(matrix, weight, statistics)
        assert point.loss == pytest.approx(found, rel=1.0, abs=1e-6)


@pytest.mark.parametrize(
    "options", [{"factor_bits": 2}, {"factor_bits": 4}, {"output_shrinkage": 1e-6}]
)
def test_few_bits_and_a_metric_of_ones_own_are_priced_as_all_others(
    options: dict[str, float],
) -> None:
    model = tiny_model("llama")
    target = next(t for t in model.targets if t.family == "ffn_out")
    needs = {"second_moment", "output_gradient"}
    statistics = collect_statistics(model, {target.name: needs}, text(model))[target.name]
    weight = model.module.get_submodule(target.names[0]).weight.detach().half()  # type: ignore[operator]
    made = build_method("two_sided_svd", options)
    for point in made.curve(weight, statistics):
        matrix = made.compress_within(weight, point.nbytes, statistics)
        found = replacement_loss(matrix, weight, statistics)
        assert point.loss == pytest.approx(found, rel=1e-3, abs=1e-9)


def test_a_candidates_value_may_have_commas() -> None:
    rule = Rule(method="mixed", options={"candidates": "tiered bits=8,4, 2, int8, svd"})
    found = rule.build(0)._methods  # type: ignore[attr-defined]
    assert [method.name for method in found] == ["tiered", "int8", "svd"]
    assert found[0].option_values()["bits"] == "8,4,2"


def test_statistics_that_are_no_numbers_are_refused() -> None:
    broken = torch.eye(4, dtype=torch.float64)
    broken[1, 1] = torch.nan
    for side in (broken, -torch.eye(4, dtype=torch.float64)):
        with pytest.raises(CompressionError, match="not finite or not positive"):
            lower_root(side)
    method = build_method("two_sided_svd", {})
    given = Statistics(second_moment=broken, output_gradient=torch.eye(6))
    with pytest.raises(CompressionError, match="not finite"):
        method.compress_within(torch.ones(6, 4), 40, given)


@pytest.mark.parametrize("family", ["ffn_out", "embedding"])
@pytest.mark.parametrize("method", ["svd", "row_normalized_svd", "frequency_svd", "fisher_svd"])
def test_one_pair_of_factors_tells_the_loss_of_every_rank(method: str, family: str) -> None:
    made = build_method(method, {})
    model = tiny_model("llama")
    target = next(t for t in model.targets if t.family == family)
    if made.families is not None and family not in made.families:
        pytest.skip("not for this family")
    given = text(model)
    needs = made.required_statistics_for(target) | curvature_needs(target)
    statistics = collect_statistics(model, {target.name: needs & GATHERED}, given)[target.name]
    if family == "embedding":
        statistics = replace(statistics, row_counts=count_rows(given.token_ids, target.shape[0]))
    site = next(site for site in model.sites if site.target.name == target.name)
    weight = read_weight(model.module, site, model.dtype)
    points = made.curve(weight, statistics)
    assert len(points) == min(weight.shape)
    for point in points[::7]:
        if point.nbytes > weight.nbytes:
            break
        matrix = made.compress_within(weight, point.nbytes, statistics)
        found = replacement_loss(matrix, weight, statistics)
        # What is stored is rounded to 16 bits.
        assert point.loss == pytest.approx(found, rel=2e-2, abs=1e-6)
