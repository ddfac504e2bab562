"""The tour asks before it tells, and tells what was measured; every number has a definition."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.landmarks import landmark_of, landmarks_by_name
from compress_lib.results.metrics import ERRORS, METRICS
from compress_lib.ui import learn_page
from compress_lib.ui.common import texts
from compress_lib.ui.form import binding
from compress_lib.ui.lessons import Step, tour

STEPS = {step.name: step for step in tour()}


def test_the_tour_has_six_steps_in_the_order_of_the_ideas() -> None:
    assert list(STEPS) == [
        *("perplexity", "direction", "break-even", "frequency", "sharing", "int8")
    ]


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_a_step_tells_numbers_that_were_measured(step: Step) -> None:
    assert "[[" not in step.text + step.reveal
    assert 0 <= step.answer < len(step.choices) >= 2
    assert len(set(step.choices)) == len(step.choices)


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_a_steps_plan_is_one_that_the_form_shows(step: Step) -> None:
    shown = binding.read_plan(binding.form_values(step.plan))
    assert landmark_of(step.plan) is not None
    assert [r.canonical(0) for r in shown.rules] == [r.canonical(0) for r in step.plan.rules]


def test_what_is_right_follows_from_the_landmarks() -> None:
    assert STEPS["perplexity"].choices[STEPS["perplexity"].answer] == "It barely changes"
    assert "50,000" in STEPS["direction"].choices[STEPS["direction"].answer]
    assert STEPS["break-even"].choices[STEPS["break-even"].answer] == "45%"
    known = landmarks_by_name()
    each, shared = (
        known[f"key-output_pca-0.25{end}"].perplexity.compressed for end in ("", "-concatenated")
    )
    close = max(each, shared) / min(each, shared) <= 1.05
    assert STEPS["sharing"].answer == (2 if close else 0 if each < shared else 1)


def test_nothing_is_told_before_a_guess() -> None:
    for step in STEPS.values():
        text, _, button, told, load, onward = learn_page.choose(step.name)
        assert step.reveal not in text
        hidden = (told.visible, load.visible, onward.visible)
        assert (*hidden, button.visible) == (False, False, False, True)
        for nothing in (None, "x", 99, -1):
            _, told, *_ = learn_page.reveal(step.name, nothing)
            assert told.value == texts.TOUR_GUESS


def test_a_guess_is_told_right_from_wrong() -> None:
    step = STEPS["int8"]
    for guess in range(len(step.choices)):
        _, told, load, _ = learn_page.reveal(step.name, guess)
        assert step.reveal in told.value
        assert told.value.startswith(f"**{texts.TOUR_RIGHT}") == (guess == step.answer)
        assert load.visible


def test_the_tour_goes_on_to_its_last_step() -> None:
    names = list(STEPS)
    assert [learn_page.following(name) for name in names] == [*names[1:], names[-1]]
    assert [learn_page.reveal(name, 0)[3].visible for name in names] == [True] * 5 + [False]


def test_an_unknown_step_shows_the_first() -> None:
    assert learn_page.choose("<script>")[0] == learn_page.choose("perplexity")[0]


def test_every_number_of_the_page_is_in_the_glossary() -> None:
    page = learn_page.glossary()
    for metric in {**METRICS, **ERRORS}.values():
        assert f">{metric.label}</dt>" in page
    assert len(set(re.findall(r'id="([^"]+)"', page))) == page.count("<dt")


def test_a_landmark_answers_a_plan_in_whatever_words_it_asks() -> None:
    known = {record.key: name for name, record in landmarks_by_name().items()}

    def answer(*rules: Rule, **more: Any) -> str | None:
        found = landmark_of(Plan(rules=rules, **more))
        return None if found is None else known[found.key]

    attention = "query,key,value,attention_output"
    assert answer(Rule(pattern=attention, keep=0.75)) == "attention-svd-0.75"
    rest = Rule(pattern="ffn_gate,ffn_in,ffn_out,embedding", method="dense")
    assert answer(Rule(keep=0.75), rest) == "attention-svd-0.75"
    assert answer(Rule(pattern=attention, keep=0.75), seed=1) is None
    assert answer(Rule(pattern=f"{attention}@0-28", keep=0.75)) is None
    # Bytes that two rules share out are not those that one shares out.
    mixed = Rule(method="mixed", keep=0.3, allocation="automatic")
    assert answer(mixed) == "everything-mixed-0.3"
    assert answer(mixed, replace(mixed, pattern="embedding")) is None
