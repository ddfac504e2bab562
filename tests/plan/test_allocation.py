"""Budgets: which rule counts, how many bytes each target gets, what is refused before work."""

from __future__ import annotations

import pytest

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import DENSE, Rule

TABLE = Target(("wte", "lm_head"), "embedding", None, (1000, 64), 128_000)
LAYERS = [
    Target((f"h.{i}.{name}",), family, i, (64, 64), 8192)
    for i in range(4)
    for name, family in (("q_proj", "query"), ("k_proj", "key"))
]
TARGETS = [TABLE, *LAYERS]


def keeps(*rules: Rule) -> dict[str, float]:
    return {a.name: a.rule.keep for a in allocate(Plan(rules=rules), TARGETS)}


def test_the_last_rule_that_selects_a_target_counts() -> None:
    found = keeps(
        Rule(pattern="*", keep=0.5), Rule(pattern="query", keep=0.4), Rule(pattern="@3", keep=0.3)
    )
    assert found["wte"] == 0.5
    assert found["h.0.q_proj"] == 0.4
    assert found["h.3.q_proj"] == found["h.3.k_proj"] == 0.3


def test_what_is_left_dense_gets_no_budget() -> None:
    found = keeps(Rule(pattern="*", keep=0.5), Rule(pattern="lm_head", method=DENSE))
    assert len(found) == 8
    assert "wte" not in found


def test_the_chosen_targets_together_keep_at_most_their_share() -> None:
    assigned = allocate(Plan(rules=(Rule(keep=0.37),)), TARGETS)
    before = sum(a.nbytes for a in assigned)
    assert sum(a.preview.nbytes for a in assigned) <= sum(a.budget for a in assigned)
    assert sum(a.budget for a in assigned) <= 0.37 * before


def test_rank_is_the_largest_that_fits() -> None:
    (found,) = allocate(Plan(rules=(Rule(pattern="wte", keep=0.5),)), TARGETS)
    assert found.preview.rank == 64_000 // (2 * 1064)


def test_below_rank_one_is_refused_by_name() -> None:
    with pytest.raises(BudgetError, match=r"wte, keep 0\.001.*below rank 1"):
        keeps(Rule(pattern="wte", keep=0.001))


def test_a_pattern_that_selects_nothing_is_refused() -> None:
    with pytest.raises(CompressionError, match="selects nothing"):
        keeps(Rule(pattern="ffn_out"))


def test_leaving_everything_dense_is_refused_only_where_something_was_asked_for() -> None:
    with pytest.raises(CompressionError, match="compresses nothing"):
        keeps(Rule(pattern="wte"), Rule(pattern="*", method=DENSE))
    assert keeps(Rule(pattern="*", method=DENSE)) == {}


def test_a_method_that_makes_no_sense_for_a_target_says_so() -> None:
    with pytest.raises(CompressionError, match=r"frequency_svd applies to embedding.*is query"):
        keeps(Rule(pattern="*", method="frequency_svd"))


def test_the_plans_seed_reaches_methods_that_name_none() -> None:
    rules = (
        Rule(pattern="wte", method="autoencoder"),
        Rule(pattern="@0", method="autoencoder", options={"seed": 3}),
    )
    assigned = allocate(Plan(rules=rules, seed=9), TARGETS)
    assert [a.method.seed for a in assigned] == [9, 3, 3]  # type: ignore[attr-defined]


def test_a_method_is_fitted_to_its_target_before_it_is_previewed() -> None:
    query = Target(("q_proj",), "query", 0, (64, 64), 8192, head_dim=16)
    plan = Plan(rules=(Rule(method="tucker", keep=0.5),))
    query_fold, table_fold = (a.preview.note for a in allocate(plan, [query, TABLE]))
    assert query_fold.endswith("of 4 × 16 × 64")
    assert table_fold.endswith("of 25 × 40 × 64")
    asked = Plan(rules=(Rule(method="tucker", keep=0.5, options={"head_dim": 8}),))
    (found,) = allocate(asked, [query])
    assert found.preview.note.endswith("of 8 × 8 × 64")


def test_an_option_that_does_not_fit_a_target_names_it() -> None:
    plan = Plan(rules=(Rule(pattern="query@0", method="kronecker", options={"left_rows": 5}),))
    with pytest.raises(CompressionError, match=r"h\.0\.q_proj, keep 0\.5: The option left_rows"):
        allocate(plan, TARGETS)
