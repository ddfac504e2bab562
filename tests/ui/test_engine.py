"""Jobs of the page's engine: how they wait, are told of, stopped and refused."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from compress_lib.errors import CompressionError, ModelUnavailableError
from compress_lib.plan.plan import Plan
from compress_lib.runs.events import EvaluationFinished
from compress_lib.ui import job_updates
from compress_lib.ui.app import Page
from compress_lib.ui.common import texts
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.job import Job
from compress_lib.ui.engine.queue import PACE
from compress_lib.ui.engine.status import JobStatus
from compress_lib.ui.results import generated_text
from compress_lib.ui.run_controls import Runs, Session
from compress_lib.utils.progress import Event, Report, TrainingProgress, ignore
from tests.support.page import PLAN, TinyEngine, finish, given, hold_writing, read_form


def test_a_run_tells_how_it_goes_and_ends_with_a_record(engine: TinyEngine) -> None:
    updates, record = finish(engine)
    assert record.targets[0].method == "svd"
    logs = [update.log for update in updates if update.log]
    assert "model.embed_tokens" in logs[-1]
    assert "After block 3" in logs[-1]
    assert any(update.writing for update in updates)
    assert session_runs.lookup(engine, record.key) == record


def test_a_run_that_was_made_before_is_shown_as_stored(engine: TinyEngine) -> None:
    _, first = finish(engine)
    updates, again = finish(engine)
    assert again == first
    assert texts.STORED in str(updates[-1].status)


def test_a_refusal_during_the_run_reaches_the_person(engine: TinyEngine) -> None:
    with pytest.raises(CompressionError, match="no separate LM head"):
        list(job_updates.run_plans(engine, [read_form(families=["head"])]))


def test_a_bug_is_not_swallowed(engine: TinyEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("compress_lib.runs.execute.allocate", broken)
    with pytest.raises(ZeroDivisionError):
        list(job_updates.run_plans(engine, [PLAN]))


def test_a_bug_is_told_of_and_still_a_bug(
    engine: TinyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(engine)
    page.build()
    session = Session(engine, page.keys, page.current, page.query, gr.State(0), gr.State(0))

    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("compress_lib.runs.execute.allocate", broken)
    steps = Runs(page.panel, page.results, session).run(given(page))
    said: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        said.extend(changes for changes in steps)
    # Extending ends at the bug with what came before it.
    assert texts.BROKEN[:20] in str(said[-1][page.panel.status])


def test_closing_the_page_stops_the_job_and_frees_the_engine(engine: TinyEngine) -> None:
    engine.gate = threading.Event()
    watching = job_updates.run_plans(engine, [PLAN])
    next(watching)
    next(watching)
    watching.close()
    # The job was stopped while it was held; the next one gets through.
    engine.gate.set()
    _, record = finish(engine)
    assert record.key
    assert engine.runs.store.runs() == [record]


def test_jobs_wait_in_a_line_that_has_an_end(engine: TinyEngine) -> None:
    engine.gate = threading.Event()
    jobs = [engine.submit(replace(PLAN, seed=seed)) for seed in range(3)]
    assert [engine.queue.position(job) for job in jobs] == [0, 1, 2]
    with pytest.raises(CompressionError, match=r"queue is full \(3\)"):
        engine.submit(replace(PLAN, seed=9))
    engine.queue.stop(jobs[1])
    assert engine.queue.position(jobs[2]) == 1
    engine.gate.set()
    assert jobs[2].future is not None
    jobs[2].future.result(timeout=60)
    assert {record.plan.seed for record in engine.runs.store.runs()} == {0, 2}


def test_what_a_job_tells_comes_a_few_times_a_second(engine: TinyEngine) -> None:
    sent = [Event(number / 100, str(number)) for number in range(100)]

    def task(report: Report) -> None:
        for event in sent:
            report(event)
            time.sleep(0.004)

    began = time.monotonic()
    batches = list(engine.queue.follow(engine.queue.submit(Job(task))))
    assert [event for events in batches for event in events] == sent
    assert len(batches) <= (time.monotonic() - began) / PACE + 2


def test_who_waits_is_told_a_place_and_nothing_of_others(engine: TinyEngine) -> None:
    engine.gate = threading.Event()
    first = engine.submit(PLAN)
    watching = job_updates.run_plans(engine, [read_form(keep=0.4)])
    told = [str(next(watching).status) for _ in range(3)]
    assert texts.WAITING.format(ahead=1) in told[-1]
    assert "held" not in told[-1]
    watching.close()
    engine.queue.stop(first)
    engine.gate.set()


def test_one_person_cannot_fill_the_line(engine: TinyEngine) -> None:
    engine.gate = threading.Event()
    engine._limits |= {"queued_jobs": 5, "jobs_each": 2}
    asking = iter("aaabbc")
    engine.queue.asker = lambda: next(asking)
    jobs = [engine.submit(replace(PLAN, seed=seed)) for seed in range(2)]
    with pytest.raises(CompressionError, match="already have 2 queued or running jobs"):
        engine.submit(replace(PLAN, seed=2))
    jobs += [engine.submit(replace(PLAN, seed=seed)) for seed in range(3, 6)]
    for job in jobs:
        engine.queue.stop(job)
    engine.gate.set()


def test_a_training_is_drawn_while_it_goes_on(engine: TinyEngine) -> None:
    plan = Plan.from_json(
        {
            **PLAN.to_json(),
            "rules": [
                {
                    "pattern": "key",
                    "method": "autoencoder",
                    "keep": 0.5,
                    "options": {"epochs": 6, "eval_every": 6, "batch_size": 16},
                }
            ],
        }
    )
    epochs: list[TrainingProgress] = []
    job = engine.submit(plan)
    for events in engine.queue.follow(job):
        epochs += [event for event in events if isinstance(event, TrainingProgress)]
    # Each weight begins anew.
    assert {event.epoch for event in epochs} == set(range(1, 7))
    status = JobStatus()
    for event in epochs:
        status.update(event)
        assert status.losses[-1] == event.loss
        assert len(status.losses) == event.epoch
    assert "<polyline" in status.html
    status.update(Event(0.6, "Measuring"))
    assert "<polyline" not in status.html


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What both models wait for before they write."""
    return hold_writing(monkeypatch)


def test_a_measured_run_is_shown_while_both_models_write(
    engine: TinyEngine, held: threading.Event
) -> None:
    updates = job_updates.run_plans(engine, [PLAN])
    measured = next(update.measured for update in updates if update.measured)
    assert texts.PERPLEXITY_SHOWN in str(next(updates).status)
    held.set()
    *_, last = updates
    assert last.finished is not None
    assert last.finished.key == measured.key


def test_what_is_measured_stays_where_the_writing_is_stopped(
    engine: TinyEngine, held: threading.Event
) -> None:
    watching = job_updates.run_plans(engine, [PLAN])
    measured = next(update.measured for update in watching if update.measured)
    watching.close()
    assert session_runs.lookup(engine, measured.key) == measured
    assert session_runs.own_runs(engine, [measured.key]) == [measured]
    # A link shows it, and its model can be taken away.
    assert engine.runs.find_by_plan(PLAN) == measured
    assert engine.made.find(measured.key) is not None
    # Whoever asks again gets all of it.
    held.set()
    updates, record = finish(engine)
    assert texts.STORED not in str(updates[-1].status)
    assert record.key == measured.key
    assert record.answered
    assert session_runs.lookup(engine, measured.key) == record


def test_a_run_is_found_once_and_completed_where_it_is_still_looked_at(engine: TinyEngine) -> None:
    page = Page(engine)
    page.build()
    session = Session(engine, page.keys, page.current, page.query, gr.State(0), gr.State(0))
    runs = Runs(page.panel, page.results, session)
    steps = [changes for changes in runs.run(given(page)) if changes]
    (found,) = [changes for changes in steps if session.found in changes]
    assert sum(session.ended in changes for changes in steps) == 1
    keys, current = found[page.keys], found[page.current]
    assert keys == [current]
    shown = runs._show(keys, current)
    assert page.results.headline in shown
    assert set(shown) <= set(page.results.parts())
    completed = runs._complete(keys, current)
    text = page.results.tabs["text"].parts["texts"]
    assert set(completed) == {page.results.headline, text}
    assert texts.YOURS in completed[page.results.headline]
    # Somebody looks at a run whose text is still being written.
    record = session_runs.lookup(engine, current)
    assert record is not None
    early = replace(record, key="early", text=())
    engine.runs.record(PLAN, EvaluationFinished(0.5, "Measured", early, None))
    partly = runs._show(["early"], "early")
    assert texts.YOURS_SO_FAR in partly[page.results.headline]
    # A slow answer must not be written over what was written meanwhile.
    assert text not in partly and text in shown
    assert runs._complete(["early"], "early") == gr.skip()
    assert texts.NO_TEXT in runs._stop(["early"], "early")[text]


def test_stop_puts_the_shown_runs_text_back(engine: TinyEngine) -> None:
    page = Page(engine)
    page.build()
    _, record = finish(engine)
    session = Session(engine, page.keys, page.current, page.query, gr.State(0), gr.State(0))
    runs = Runs(page.panel, page.results, session)
    changes = runs._stop([record.key], record.key)
    texts_part = page.results.tabs["text"].parts["texts"]
    assert changes[texts_part] == generated_text.both_texts(record.text)
    assert texts.YOURS in changes[page.results.headline]
    assert texts_part not in runs._stop([], "unknown")


def test_a_refusal_after_the_measurement_leaves_no_other_run_s_text(
    engine: TinyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(engine)
    page.build()
    _, other = finish(engine, read_form(keep=0.4))
    session = Session(engine, page.keys, page.current, page.query, gr.State(0), gr.State(0))

    def refuse(*given: Any) -> Any:
        raise CompressionError("The prompt is too long.")

    monkeypatch.setattr("compress_lib.runs.execute.write_prompts", refuse)
    monkeypatch.setattr("compress_lib.ui.run_controls.warn", lambda message: None)
    runs = Runs(page.panel, page.results, session)
    *_, last = runs.run(given(page, state={page.keys: [other.key], page.current: other.key}))
    assert "too long" in last[page.panel.status]
    assert texts.NO_TEXT in last[page.results.tabs["text"].parts["texts"]]


@pytest.mark.parametrize(
    ("advice", "told"),
    [("Name a folder.", f"It is not there. {texts.UNAVAILABLE}"), ("", "It is not there.")],
)
def test_a_model_that_cannot_be_fetched_is_told_without_advice_about_files(
    monkeypatch: pytest.MonkeyPatch, advice: str, told: str
) -> None:
    def unavailable(*given: Any, **more: Any) -> None:
        raise ModelUnavailableError("It is not there.", advice)

    monkeypatch.setattr("compress_lib.models.loading.load_model", unavailable)
    with pytest.raises(CompressionError, match=f"^{re.escape(told)}$"):
        Engine().load("owner/name", None, "cpu", ignore)
