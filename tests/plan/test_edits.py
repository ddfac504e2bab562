"""Changing a plan matrix by matrix: short exact patterns, no idle rules, steps taken back."""

from __future__ import annotations

import random

import pytest

from compress_lib.models.loading import LanguageModel
from compress_lib.models.targets import Target, matches, select
from compress_lib.plan.edits import LayerGrid, clear_rules, edit_rules, pattern_for, presets
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.ui.form.map_history import History

FAMILIES = ("query", "key", "ffn_out")
TARGETS = [
    Target(("embed", "head"), "embedding", None, (50, 8), 800),
    *(
        Target((f"layers.{layer}.{family}",), family, layer, (8, 8), 128)
        for layer in range(6)
        for family in FAMILIES
    ),
]
NAMES = [target.name for target in TARGETS]
FIRST = Rule(pattern="*", method="svd", keep=0.5)


def keeps(rules: tuple[Rule, ...]) -> list[float]:
    """What each target keeps, by the last rule that selects it."""
    found = []
    for target in TARGETS:
        rule = next((r for r in reversed(rules) if matches(target, r.pattern)), None)
        found.append(1.0 if rule is None or rule.method == DENSE else rule.keep)
    return found


@pytest.mark.parametrize(
    ("chosen", "pattern"),
    [
        (NAMES, "*"),
        (["embed"], "embedding"),
        ([n for n in NAMES if "key" in n], "key"),
        ([n for n in NAMES if ".2." in n], "@2"),
        ([n for n in NAMES if ".2." in n or ".3." in n], "@2-3"),
        ([n for n in NAMES if ".2." in n or ".5." in n], "@2,@5"),
        (["layers.1.query"], "query@1"),
        (["layers.1.query", "layers.2.query", "layers.4.query"], "query@1-2,query@4"),
        ([n for n in NAMES if "layers" in n], "query,key,ffn_out"),
        (["embed", "layers.0.query", "layers.0.key", "layers.0.ffn_out"], "embedding,@0"),
    ],
)
def test_a_choice_has_a_short_pattern(chosen: list[str], pattern: str) -> None:
    assert pattern_for(chosen, TARGETS) == pattern


def test_a_pattern_selects_exactly_what_was_chosen() -> None:
    draw = random.Random(0)
    for _ in range(300):
        chosen = {name for name in NAMES if draw.random() < draw.choice((0.1, 0.5, 0.9))}
        if chosen:
            found = select(TARGETS, pattern_for(chosen, TARGETS))
            assert {target.name for target in found} == chosen


def test_matrices_that_share_a_cell_are_told_apart_by_name() -> None:
    experts = [Target((f"layers.0.expert.{i}",), "ffn_in", 0, (8, 8), 128) for i in range(3)]
    assert pattern_for(["layers.0.expert.1"], [*TARGETS, *experts]) == "layers.0.expert.1"
    assert pattern_for([t.name for t in experts], [*TARGETS, *experts]) == "ffn_in"


def test_a_matrix_that_changes_takes_one_more_rule() -> None:
    rules = edit_rules([FIRST], "query@1", "svd", 0.3, TARGETS)
    assert [rule.pattern for rule in rules] == ["*", "query@1"]
    assert keeps(rules)[NAMES.index("layers.1.query")] == 0.3


def test_a_rule_that_no_matrix_follows_any_longer_is_dropped() -> None:
    rules = edit_rules([FIRST], "query@1", "svd", 0.3, TARGETS)
    rules = edit_rules(rules, "query", "svd", 0.4, TARGETS)
    assert [rule.pattern for rule in rules] == ["*", "query"]
    rules = edit_rules(rules, "query", "svd", 0.5, TARGETS)
    assert rules == (FIRST,)


def test_any_sequence_of_changes_says_what_each_matrix_was_told_last() -> None:
    draw = random.Random(1)
    for _ in range(60):
        rules: tuple[Rule, ...] = (FIRST,)
        told = dict.fromkeys(NAMES, 0.5)
        for _ in range(8):
            chosen = [name for name in NAMES if draw.random() < 0.3] or NAMES[:1]
            keep = draw.choice((0.3, 0.5, 1.0))
            method = DENSE if keep == 1.0 else "svd"
            rules = edit_rules(rules, pattern_for(chosen, TARGETS), method, keep, TARGETS)
            told |= dict.fromkeys(chosen, keep)
            assert keeps(rules) == list(told.values())


def test_what_is_cleared_follows_the_whole_plan_again() -> None:
    rules = edit_rules([FIRST], "query,key@2", "svd", 0.3, TARGETS)
    assert clear_rules(rules, "query", TARGETS) != (FIRST,)
    assert clear_rules(clear_rules(rules, "query", TARGETS), "key", TARGETS) == (FIRST,)
    only = Rule(pattern="key", method="svd", keep=0.5)
    rules = edit_rules([only], "query@1", "svd", 0.3, TARGETS)
    assert clear_rules(rules, "query", TARGETS) == (only,)


def test_a_matrix_takes_the_options_its_method_has_elsewhere() -> None:
    first = Rule(pattern="*", method="int4", keep=1.0, options={"range": "hqq"})
    rules = edit_rules([first], "query", "svd", 0.5, TARGETS)
    assert rules[-1].options == {}
    rules = edit_rules(rules, "query@0", "int4", 1.0, TARGETS)
    assert rules[-1].options == {"range": "hqq"}


def test_presets_select_what_their_names_say(llama: LanguageModel) -> None:
    for targets in (TARGETS, llama.targets):
        grid = LayerGrid.of(targets)
        found = presets(FIRST, grid)
        assert found["uniform"] == (FIRST,)
        for rules in found.values():
            assert all(select(targets, rule.pattern) for rule in rules)
    (best,) = presets(FIRST, LayerGrid.of(TARGETS))["automatic"]
    assert (best.method, best.allocation, best.keep) == ("mixed", "automatic", FIRST.keep)
    sized = Rule(pattern="*", method="int8", keep=1.0)
    assert presets(sized, LayerGrid.of(TARGETS))["automatic"][0].keep < 1
    ends = presets(FIRST, LayerGrid.of(TARGETS))["protect_ends"]
    untouched = [t.layer for t, keep in zip(TARGETS, keeps(ends), strict=True) if keep == 1.0]
    assert set(untouched) == {0, 5}


def test_steps_are_taken_back_and_made_again() -> None:
    history = History().record("a").record("b").record("b").record("c")
    assert history.past == ("a", "b", "c")
    back = history.undo().undo().undo()
    assert back.now == "a"
    assert back.redo().now == "b"
    assert back.redo().redo().redo().now == "c"
    assert back.record("d").redo().now == "d"
    many = History()
    for index in range(500):
        many = many.record(str(index))
    assert len(many.past) <= 100


@pytest.mark.parametrize("changes", [{"allocation": "automatic"}, {"group": "concatenated"}])
def test_a_rule_that_shares_among_its_own_is_never_idle(changes: dict[str, str]) -> None:
    first = Rule(pattern="*", method="two_sided_svd", keep=0.5, **changes)  # type: ignore[arg-type]
    rules = edit_rules([first], "key@0-1", "two_sided_svd", 0.5, TARGETS)
    assert [rule.pattern for rule in rules] == ["*", "key@0-1"]
    assert clear_rules(rules, "key@0", TARGETS)[1].pattern == "key@1"
    assert clear_rules(rules, "key", TARGETS) == (first,)
