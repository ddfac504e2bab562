"""Runs beside each other: what is compared without being asked, and what a link takes along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest
from starlette.datastructures import QueryParams

from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import (
    MAX_COMPARED,
    from_query,
    is_link,
    read_compared_plans,
    to_query,
)
from compress_lib.plan.rule import Rule, read_stored_rule
from compress_lib.results.landmarks import landmarks_by_name
from compress_lib.ui.app import Page
from compress_lib.ui.common import texts
from compress_lib.ui.engine.run_index import LandmarkStore
from compress_lib.ui.form.events import FormEvents
from compress_lib.ui.results.comparison import is_of, plans_of, runs_beside
from compress_lib.ui.results.selection import first_record
from compress_lib.ui.results.tabs import compare
from compress_lib.ui.results.tabs.compare import with_shown
from tests.support.page import PLAN, TinyEngine, finish, given, read_form

SIZES = (0.2, 0.3, 0.4, 0.5, 0.6)


def plan(keep: float) -> Plan:
    return Plan(rules=(Rule(pattern="key", keep=keep),))


@pytest.fixture
def page(engine: TinyEngine) -> Page:
    made = Page(engine)
    made.build()
    return made


def opened(page: Page, query: str) -> dict[Any, Any]:
    request = SimpleNamespace(query_params=QueryParams(query))
    return page.opening.open([], [], cast(gr.Request, request))


def test_a_link_names_the_plans_it_compares_in_their_order() -> None:
    plans = [plan(SIZES[0]), Plan(), plan(SIZES[1])]
    query = to_query(Plan(), plans)
    assert from_query(query) == Plan()
    assert read_compared_plans(query) == plans
    assert "with=this" in query
    many = [Plan(), *map(plan, SIZES)]
    assert read_compared_plans(to_query(Plan(), many)) == many[:MAX_COMPARED]
    assert read_compared_plans(to_query(Plan())) == []
    assert is_link("with=rule%3Dkey~svd~0.5")
    # What is beyond the most is not even read.
    assert (
        len(read_compared_plans(to_query(Plan(), many) + "&with=rule%3Dnonsense")) == MAX_COMPARED
    )


def test_a_broken_plan_beside_is_refused_with_a_sentence() -> None:
    with pytest.raises(CompressionError, match="PATTERN~METHOD~KEEP"):
        read_compared_plans("with=rule%3Dnonsense")


def test_while_nothing_is_chosen_the_last_runs_are_compared(engine: TinyEngine) -> None:
    made = [finish(engine, read_form(keep=keep))[1] for keep in SIZES]
    newest_first = [run.key for run in reversed(made)]
    found = runs_beside(engine, [], newest_first, made[-1].key)
    assert [run.key for run in found] == [run.key for run in made[1:]]
    # The shown run comes last, whenever it was run.
    shown = runs_beside(engine, [], newest_first, made[0].key)
    assert [run.key for run in shown] == [run.key for run in (*made[2:], made[0])]


def test_a_landmark_stands_beside_the_first_one(engine: TinyEngine, tmp_path: Path) -> None:
    engine.runs.store = LandmarkStore(tmp_path / "runs.sqlite")
    first, other = first_record(), landmarks_by_name()["embedding-tiered-0.25"]
    assert first is not None
    assert runs_beside(engine, None, [], other.key) == [first, other]
    assert runs_beside(engine, [], [], first.key) == [first]
    # Runs of another model have nothing measured beside them.
    _, mine = finish(engine)
    assert runs_beside(engine, [], [mine.key], mine.key) == [mine]
    assert runs_beside(engine, [], [mine.key], None) == []


def test_what_was_chosen_is_compared_whatever_is_shown(engine: TinyEngine) -> None:
    first, second = (finish(engine, read_form(keep=keep))[1] for keep in SIZES[:2])
    tray = [second.key, first.key, "no such run"]
    assert runs_beside(engine, tray, [first.key], None) == [second, first]
    # One alone is held against what is shown.
    assert runs_beside(engine, [second.key], [first.key], first.key) == [second, first]
    assert runs_beside(engine, [second.key], [first.key], second.key) == [second]


def test_the_button_puts_the_shown_run_into_a_tray_that_is_used() -> None:
    assert with_shown(["a"], "b")["value"] == ["a", "b"]
    for tray, current in (([], "b"), (None, "b"), (["a"], "a"), (["a"], None)):
        assert "value" not in with_shown(tray, current)


def test_a_full_tray_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(compare, "warn", said.append)
    assert "value" not in with_shown(["a", "b", "c", "d"], "e")
    assert said == [texts.TRAY_FULL]


def test_a_link_holds_what_is_compared(engine: TinyEngine) -> None:
    first, second = (finish(engine, read_form(keep=keep))[1] for keep in SIZES[:2])
    asked = [run.plan.without_provenance() for run in (first, second)]
    assert plans_of([first, second]) == asked
    assert plans_of([second, first]) == asked[::-1]
    assert plans_of([first]) == []
    text = replace(first.plan.evaluation, corpus="own", text="x" * 99)
    own = replace(second, plan=replace(second.plan, evaluation=text))
    assert plans_of([own, first]) == []
    unknown = read_stored_rule({"pattern": "*", "method": "no method of today"})
    refused = replace(second, plan=replace(second.plan, rules=(unknown,)))
    assert plans_of([refused, first, second]) == asked
    assert is_of(first, asked[0]) and not is_of(first, asked[1])
    assert not is_of(refused, asked[0]) and not is_of(None, asked[0])


def test_a_link_brings_what_it_compares_with(page: Page, engine: TinyEngine) -> None:
    runs = [finish(engine, read_form(keep=keep))[1] for keep in SIZES[:2]]
    asked = [run.plan.without_provenance() for run in runs]
    for own in (0, 1):
        changes = opened(page, to_query(asked[own], asked))
        tray = changes[page.results.tabs["compare"].parts["tray"]]
        # The first stays the one that the others are held against.
        assert tray["value"] == [run.key for run in runs]
        assert {key for _, key in tray["choices"]} >= set(tray["value"])
        assert set(changes[page.keys]) == set(tray["value"])
        assert changes[page.current] == runs[own].key
        assert texts.LINK_OPENED_BESIDE in changes[page.panel.status]


def test_a_link_brings_what_it_compares_though_its_own_plan_was_not_run(
    page: Page, engine: TinyEngine
) -> None:
    runs = [finish(engine, read_form(keep=keep))[1] for keep in SIZES[:2]]
    asked = [run.plan.without_provenance() for run in runs]
    changes = opened(page, to_query(plan(0.77), asked))
    assert changes[page.current] == runs[0].key
    assert changes[page.results.tabs["compare"].parts["tray"]]["value"] == [r.key for r in runs]
    assert texts.PLAN_CHANGED in changes[page.panel.status]
    assert changes[page.results.box].selected == "compare"


def test_a_link_keeps_a_comparison_on_another_text(page: Page, engine: TinyEngine) -> None:
    runs = [finish(engine, read_form(keep=keep))[1] for keep in SIZES[:2]]
    asked = [run.plan.without_provenance() for run in runs]
    other = replace(PLAN, evaluation=replace(PLAN.evaluation, tokens=200))
    _, own = finish(engine, read_form(other))
    changes = opened(page, to_query(other, asked))
    assert changes[page.current] == own.key
    assert changes[page.results.tabs["compare"].parts["tray"]]["value"] == [r.key for r in runs]


def test_a_link_says_what_of_it_is_missing_here(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    monkeypatch.setattr("compress_lib.ui.page_load.warn", said.append)
    unknown = replace(plan(0.37), evaluation=TextSpec(tokens=700))
    changes = opened(page, to_query(Plan(), [Plan(), unknown]))
    assert said == [texts.BESIDE_MISSING.format(count=1)]
    assert changes[page.current]
    assert "value" not in changes[page.results.tabs["compare"].parts["tray"]]
    # What cannot be read leaves the plan itself.
    changes = opened(page, to_query(Plan()) + "&with=rule%3Dnonsense")
    assert changes[page.current] and len(said) == 2


def test_a_link_copied_says_what_it_restores(page: Page, engine: TinyEngine) -> None:
    first, second = (finish(engine, read_form(keep=keep))[1] for keep in SIZES[:2])
    keys = [second.key, first.key]
    tray = page.results.tabs["compare"].parts["tray"]
    beside = (tray, page.keys, page.current)
    events = FormEvents(page.panel, engine, (None, None), cast(Any, None), beside)

    def link(keys: list[str], **changes: Any) -> tuple[str, str]:
        state = {page.keys: keys, page.current: second.key}
        query, said = events.link(given(page, state=state, **changes))
        return query, said

    query, said = link(keys, keep=SIZES[1])
    assert len(read_compared_plans(query)) == 2 and texts.LINK_COPIED_BESIDE in said
    query, said = link(keys, keep=0.77)
    assert len(read_compared_plans(query)) == 2 and texts.LINK_OF_FORM in said
    query, said = link([], keep=SIZES[1])
    assert read_compared_plans(query) == [] and texts.LINK_COPIED in said and "another" not in said
    query, said = link(keys, keep=SIZES[1], corpus="own", own_text="Once upon a time. " * 20)
    assert texts.LINK_WITHOUT_TEXT in said


def test_starting_over_leaves_nothing_of_what_was_set(page: Page, engine: TinyEngine) -> None:
    changes = FormEvents(page.panel, engine, (None, None), cast(Any, None), []).start_over()
    assert page.panel.read(changes) == Plan()
    assert texts.STARTED_OVER in changes[page.panel.status]
