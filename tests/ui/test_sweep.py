"""Sweeps over all matrices, from the page."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from compress_lib.errors import CompressionError
from compress_lib.ui import job_updates
from compress_lib.ui.common import texts
from compress_lib.ui.engine.engine import _with_run_number
from compress_lib.ui.sweep import sweep_plans
from compress_lib.utils.progress import Event, TrainingProgress
from tests.support.page import PLAN, TinyEngine, hold_writing


def test_a_sweep_fills_the_map_of_modules(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_page

    seen = list(studies_page.sweep(engine, "owner/tiny", "svd", 0.5))
    records = [record for _, record in seen if record is not None]
    assert len(records[-1].rows) == len(engine.targets("owner/tiny")[0])
    assert texts.SWEEP_FINISHED in seen[-1][0]
    filled = studies_page._fill(records[-1])
    assert filled[2] is not None and "Most sensitive" in filled[0]
    assert studies_page.redraw(records[-1], "kl") is not None
    for make in (studies_page.csv_file, studies_page.json_file):
        assert json.loads(make(records[-1]))["name"].startswith("sensitivity.")


def test_a_sweep_refuses_what_a_run_would_refuse(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_page

    with pytest.raises(CompressionError, match="svd"):
        list(studies_page.sweep(engine, "owner/tiny", "svdd", 0.5))
    with pytest.raises(CompressionError, match="keep"):
        list(studies_page.sweep(engine, "owner/tiny", "svd", 7))
    for place in ("/etc", "../models", "tiny.gguf", None, ["a"]):
        with pytest.raises(CompressionError, match="neither in the list nor a Hub ID"):
            list(studies_page.sweep(engine, place, "svd", 0.5))


def test_where_options_decide_the_size_a_sweep_takes_no_keep(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_page

    *_, (told, _) = studies_page.sweep(engine, "owner/tiny", "int8", 0.5)
    assert texts.SWEEP_FINISHED in told


def test_a_job_that_waits_can_be_stopped_at_any_time(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_page

    engine.gate = threading.Event()
    first = job_updates.run_plans(engine, [PLAN])
    second = studies_page.sweep(engine, "owner/tiny", "svd", 0.5)
    for _ in range(3):
        # Something comes, though nothing happens.
        assert next(first).status
        assert next(second)[0]
    second.close()
    first.close()
    engine.gate.set()
    assert engine.queue.position(engine.submit(PLAN)) <= 1


def test_what_is_refused_is_passed_over_and_told_of(engine: TinyEngine) -> None:
    plan = replace(PLAN, rules=(replace(PLAN.rules[0], pattern="query"),))
    plans = sweep_plans(plan, ["frequency_svd", "svd"], "0.3, 0.6")
    updates = list(job_updates.run_plans(engine, plans))
    made = list(dict.fromkeys(u.finished.methods for u in updates if u.finished))
    assert made == [("svd",)]
    assert len(engine.runs.store.runs()) == 2
    told = next(u.log for u in reversed(updates) if u.log)
    assert told.count("Skipped: ") == 2
    assert "2 of 4 runs were skipped: " in str(updates[-1].status)
    with pytest.raises(CompressionError):
        list(job_updates.run_plans(engine, sweep_plans(plan, ["frequency_svd"], "0.3, 0.6")))


def test_of_several_runs_a_status_says_which_it_is() -> None:
    sent: list[Event] = []
    _with_run_number(sent.append, 3, 8)(Event(0.5, "Measuring"))
    assert sent.pop() == Event(0.5, "Run 3 of 8: Measuring")
    # The curve of a training is drawn from its epochs.
    epoch = TrainingProgress(0.5, "epoch 2", 2, 0.5)
    _with_run_number(sent.append, 3, 8)(epoch)
    assert sent.pop() is epoch
    _with_run_number(sent.append, 1, 1)(Event(0.5, "Measuring"))
    assert sent.pop().message == "Measuring"


def test_what_was_run_before_needs_no_place_in_the_line(engine: TinyEngine) -> None:
    before = list(job_updates.run_plans(engine, [PLAN]))[-1].finished
    engine.gate = threading.Event()
    busy = job_updates.run_plans(engine, [replace(PLAN, seed=5)])
    next(busy)
    again = list(job_updates.run_plans(engine, [PLAN]))
    assert again[-1].finished == before
    assert texts.STORED in str(again[-1].status)
    busy.close()


def test_closing_a_sweep_stops_it_and_keeps_what_was_measured(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_page

    updates = studies_page.sweep(engine, "owner/tiny", "svd", 0.5)
    next(updates)
    updates.close()
    assert engine.queue.position(engine.submit(PLAN)) <= 1


def test_without_studies_the_tab_says_so() -> None:
    from compress_lib.ui import studies_page

    assert texts.NO_STUDY in studies_page._findings(None)
    assert studies_page._table(None)["data"] == []


def test_several_methods_and_sizes_are_one_job(engine: TinyEngine) -> None:
    plans = sweep_plans(PLAN, ["svd", "int8", "row_normalized_svd"], "0.25, 50%")
    assert [(p.rules[0].method, p.rules[0].keep) for p in plans] == [
        *(("svd", 0.25), ("svd", 0.5), ("int8", 1.0)),
        *(("row_normalized_svd", 0.25), ("row_normalized_svd", 0.5)),
    ]
    updates = list(job_updates.run_plans(engine, plans))
    keys = list(dict.fromkeys(u.finished.key for u in updates if u.finished))
    assert len(keys) == len(plans)
    first = next(i for i, u in enumerate(updates) if u.finished)
    assert first < len(updates) - 1, "a point appears before the last run ends"
    assert len(engine.runs.store.runs()) == len(plans)
    again = list(job_updates.run_plans(engine, plans))
    assert texts.STORED in str(again[-1].status)
    # What is stored comes faster than anybody looks, and still each by itself.
    assert [u.finished.key for u in again if u.finished] == keys


@pytest.mark.parametrize(
    ("methods", "keeps"),
    [([], "0.5"), (None, "0.5"), (["svd"], ""), (["svd"], "0.5, lots"), (["svd"], "0, 2")],
)
def test_a_sweep_of_nothing_is_refused(methods: object, keeps: object) -> None:
    with pytest.raises(CompressionError, match="sizes between 0 and 1"):
        sweep_plans(PLAN, methods, keeps)


def test_a_sweep_has_an_end() -> None:
    keeps = ",".join(f"0.{n}" for n in range(11, 40))
    with pytest.raises(CompressionError, match="at most 24"):
        sweep_plans(PLAN, ["svd"], keeps)
    with pytest.raises(CompressionError, match="Did you mean 'svd'"):
        sweep_plans(PLAN, ["svdd"], "0.5")


def test_what_a_stopped_sweep_measured_stays(
    engine: TinyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_writing(monkeypatch, free=1)
    plans = sweep_plans(PLAN, ["svd"], "0.3, 0.4, 0.5, 0.6")
    updates = job_updates.run_plans(engine, plans)
    first = next(update.finished for update in updates if update.finished)
    updates.close()
    # The next job is done after this one, so nothing more of the sweep can come.
    after = engine.submit_task(lambda progress: None)
    assert after.future is not None
    after.future.result(timeout=60)
    assert engine.runs.store.runs() == [first]
