"""Runs that a page knows: what is measured is found, and kept in bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.store import Store
from compress_lib.runs.events import EvaluationFinished, RunFinished
from compress_lib.ui.engine import run_index
from compress_lib.ui.engine.run_index import RunIndex
from tests.support.compressed import run_record


def plan(keep: float) -> Plan:
    return Plan(rules=(Rule(pattern="embedding", method="svd", keep=keep),))


@pytest.fixture
def runs(tmp_path: Path) -> RunIndex:
    return RunIndex(Store(tmp_path / "runs.sqlite"))


def test_a_measured_run_is_found_until_the_finished_one_takes_its_place(runs: RunIndex) -> None:
    early, done = run_record(text=()), run_record()
    runs.record(plan(0.5), EvaluationFinished(0.5, "Measured", early, None))
    assert runs.find(early.key) == early == runs.find_by_plan(plan(0.5))
    runs.store.add(done)
    runs.record(plan(0.5), RunFinished(1.0, "Finished", done, False, None))
    assert runs.find(early.key) == done == runs.find_by_plan(plan(0.5))
    assert not runs._measured
    assert runs.find("unknown") is None
    assert runs.find_by_plan(plan(0.4)) is None


def test_of_many_measured_runs_the_newest_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_index, "MOST_MEASURED", 3)
    runs = RunIndex(Store(tmp_path / "runs.sqlite"))
    for number in (0, 1, 2, 0, 3):
        record = run_record(key=f"{number:016}", text=())
        runs.record(plan(0.1 + number / 10), EvaluationFinished(0.5, "Measured", record, None))
    assert {int(key) for key in runs._measured} == {2, 0, 3}
