"""Matrices compressed together: one basis or decoder for the family's matrices of all layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.compression.compress import compress_at_once
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices import LowRankMatrix
from compress_lib.methods import METHODS
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import total_bytes
from compress_lib.models.surgery import read_weight
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import Assignment, allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import from_query, to_query
from compress_lib.plan.rule import Rule
from tests.support.storages import CASES
from tests.support.tiny import tiny_model, weight_of


def rule(**changes: object) -> Rule:
    return replace(Rule(pattern="key", keep=0.5, group="concatenated"), **changes)  # type: ignore[arg-type]


def assign(model: LanguageModel, *rules: Rule) -> list[Assignment]:
    return allocate(Plan(rules=rules), model.targets)


def targets(count: int, shape: tuple[int, int] = (12, 32), family: str = "key") -> list[Target]:
    nbytes = 2 * shape[0] * shape[1]
    return [Target((f"layers.{i}.{family}",), family, i, shape, nbytes) for i in range(count)]


def calibration(model: LanguageModel) -> Calibration:
    made = torch.Generator().manual_seed(3)
    return Calibration.from_blocks([torch.randint(300, (64,), generator=made)])


def test_a_family_is_one_group_and_a_window_cuts_it() -> None:
    every = allocate(Plan(rules=(rule(),)), targets(7))
    assert [len(item.targets) for item in every] == [7]
    assert every[0].name == "Key, layers 0 to 6"
    by_three = allocate(Plan(rules=(rule(window=3),)), targets(7))
    assert [len(item.targets) for item in by_three] == [3, 3, 1]
    assert [len(item.targets) for item in allocate(Plan(rules=(Rule(keep=0.5),)), targets(7))] == (
        [1] * 7
    )


def test_families_never_mix_and_a_table_stays_alone() -> None:
    model = tiny_model()
    assigned = assign(model, rule(pattern="*"))
    assert all(len({target.family for target in item.targets}) == 1 for item in assigned)
    assert [len(item.targets) for item in assigned if item.family == "embedding"] == [1]


def test_shared_bytes_leave_a_larger_rank_for_the_same_budget() -> None:
    alone = allocate(Plan(rules=(rule(group="separated"),)), targets(8))
    together = allocate(Plan(rules=(rule(),)), targets(8))
    assert sum(item.budget for item in alone) == sum(item.budget for item in together)
    # 192 numbers a matrix: alone 192 ÷ (12 + 32) = 4; together 8 · 192 ÷ (8 · 12 + 32) = 12.
    assert {item.preview.rank for item in alone} == {4}
    assert together[0].preview.rank == 12


def test_the_orientation_is_what_leaves_more() -> None:
    wide = targets(8, (32, 12))
    chosen = allocate(Plan(rules=(rule(),)), wide)[0]
    assert chosen.columns and chosen.shape == (96, 32)
    rows = allocate(Plan(rules=(rule(orientation="rows"),)), wide)[0]
    assert not rows.columns and rows.shape == (256, 12)
    assert (chosen.preview.rank or 0) > (rows.preview.rank or 0)


def test_unequal_widths_are_told_before_any_work() -> None:
    uneven = [*targets(2), *(replace(t, layer=2, shape=(16, 40)) for t in targets(1))]
    with pytest.raises(CompressionError, match=r"Key, layers 0 to 2 cannot .*12 × 32, 16 × 40"):
        allocate(Plan(rules=(rule(),)), uneven)


def test_columns_are_refused_where_rows_are_weighed() -> None:
    with pytest.raises(CompressionError, match="weights rows or inputs"):
        allocate(Plan(rules=(rule(method="fisher_svd", orientation="columns"),)), targets(2))
    table = targets(1, (300, 32), "embedding")
    with pytest.raises(CompressionError, match="works on tokens"):
        allocate(Plan(rules=(rule(pattern="*", orientation="columns"),)), table)


def test_a_budget_in_which_nothing_fits_names_the_group() -> None:
    with pytest.raises(BudgetError, match="Key, layers 0 to 1, keep 0.02.*needs at least"):
        allocate(Plan(rules=(rule(keep=0.02),)), targets(2))


@pytest.mark.parametrize("orientation", ["rows", "columns"])
def test_a_concatenated_svd_is_the_svd_of_the_stack(orientation: str) -> None:
    model = tiny_model()
    (assignment,) = assign(model, rule(pattern="ffn_in", orientation=orientation))
    done, _ = compress_at_once(model, [assignment])
    sites = [site for site in model.sites if site.target.family == "ffn_in"]
    weights = [read_weight(model.module, site, torch.float32) for site in sites]
    along = 1 if orientation == "columns" else 0
    stack = torch.cat(weights, dim=along).double()
    u, s, v = torch.linalg.svd(stack, full_matrices=False)
    rank = assignment.preview.rank
    assert rank is not None
    best = ((u[:, :rank] * s[:rank]) @ v[:rank]).float().chunk(len(weights), dim=along)
    for item, expected in zip(done, best, strict=True):
        assert torch.allclose(item.matrix.to_dense(), expected, atol=5e-3)


@pytest.mark.parametrize("orientation", ["rows", "columns"])
@pytest.mark.parametrize(
    "case", [case for case, (name, _) in CASES.items() if name in ("svd", "autoencoder")]
)
def test_shared_bytes_count_once_in_reports_in_memory_and_in_files(
    case: str, orientation: str, tmp_path: object
) -> None:
    model = tiny_model()
    method, stored = CASES[case]
    quick = {"epochs": 1, "select_best_by": "none"} if method == "autoencoder" else {}
    options = {**quick, **stored}
    assigned = assign(
        model, rule(pattern="query", method=method, orientation=orientation, options=options)
    )
    done, small = compress_at_once(model, assigned)
    reported = sum(item.record.bytes_after for item in done)
    assert reported == assigned[0].preview.nbytes <= assigned[0].budget
    before = sum(item.record.bytes_before for item in done)
    assert total_bytes(model) - total_bytes(small) == before - reported
    save_compressed(small, tmp_path)  # type: ignore[arg-type]
    again = load_compressed(tmp_path)  # type: ignore[arg-type]
    assert total_bytes(again) == total_bytes(small)
    ids = torch.arange(20)[None]
    assert torch.equal(again.module(ids).logits, small.module(ids).logits)


@pytest.mark.parametrize("case", sorted(CASES))
def test_every_method_works_on_a_group_as_it_is(case: str) -> None:
    model = tiny_model()
    pattern = "ffn_in"
    method, stored = CASES[case]
    try:
        METHODS[method]().check_applies(pattern, "it")
    except CompressionError:
        pytest.skip("does not apply to layers")
    known = {option.name for option in METHODS[method].options()}
    options = {**({"epochs": 2} if "epochs" in known else {}), **stored}
    keep = 1.0 if METHODS[method].fixed_size else 0.5
    chosen = rule(pattern=pattern, method=method, options=options, window=2, keep=keep)
    assigned = assign(model, chosen)
    done, small = compress_at_once(model, assigned, calibration=calibration(model))
    assert [item.record.group for item in done] == ["FFN up, layers 0 to 1"] * 2
    assert sum(item.record.bytes_after for item in done) <= assigned[0].budget
    assert torch.isfinite(small.module(torch.arange(20)[None]).logits).all()


def test_each_layer_keeps_its_own_norms() -> None:
    """The papers' code gave every layer the row norms of layer 0."""
    model = tiny_model()
    sites = [site for site in model.sites if site.target.family == "query"]
    with torch.no_grad():
        for index, site in enumerate(sites):
            weight_of(model, site.modules[0]).mul_(4.0**index)
    assigned = assign(model, rule(pattern="query", method="row_normalized_svd", keep=0.8))
    done, _ = compress_at_once(model, assigned)
    for site, item in zip(sites, done, strict=True):
        norms = read_weight(model.module, site, torch.float32).norm(dim=1)
        assert torch.allclose(item.matrix.to_dense().norm(dim=1), norms, rtol=0.35)


def test_parts_share_one_right_factor() -> None:
    model = tiny_model()
    done, _ = compress_at_once(model, assign(model, rule()))
    first, second = (item.matrix for item in done)
    assert isinstance(first, LowRankMatrix) and isinstance(second, LowRankMatrix)
    assert first.right is second.right


def test_a_link_and_json_bring_a_group_back() -> None:
    plan = Plan(rules=(rule(window=4, orientation="rows"), rule(pattern="query")))
    assert from_query(to_query(plan)) == plan
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.key != Plan(rules=(rule(window=2, orientation="rows"), rule(pattern="query"))).key


def test_unknown_words_are_told_the_nearest() -> None:
    with pytest.raises(CompressionError, match="concatenated"):
        rule(group="concatenate")
    with pytest.raises(CompressionError, match="columns"):
        rule(orientation="column")
    with pytest.raises(CompressionError, match="window"):
        rule(window=-1)
    with pytest.raises(CompressionError, match="orientation"):
        from_query("rule=key~svd~0.5~.orientations=rows")


def test_each_member_keeps_its_own_mean_output() -> None:
    model = tiny_model()
    text = calibration(model)
    assigned = assign(model, rule(pattern="ffn_in", method="output_pca", orientation="rows"))
    done, _ = compress_at_once(model, assigned, calibration=text)
    for item in done:
        name = item.record.names[0]
        mean = collect_statistics(model, {name: {"mean"}}, text)[name].require("mean")
        site = next(site for site in model.sites if site.target.name == name)
        weight = read_weight(model.module, site, torch.float32)
        assert item.matrix.bias is not None
        output = item.matrix.linear(mean) + item.matrix.bias
        assert torch.allclose(output, weight @ mean, atol=2e-3)


def test_gradients_of_one_end_of_a_tie_are_refused() -> None:
    table = [Target(("embed", "head"), "embedding", None, (300, 32), 19_200)]
    one = Rule(pattern="embedding", method="fisher_svd", tie="input")
    with pytest.raises(CompressionError, match="tie=both"):
        allocate(Plan(rules=(one,)), table)


def test_a_window_without_a_group_changes_no_key() -> None:
    plain, odd = Rule(pattern="key"), Rule(pattern="key", window=7)
    assert Plan(rules=(plain,)).key == Plan(rules=(odd,)).key
