"""Runs that a page knows: what is measured is found, and kept in bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress_lib.events import Evaluated, Finished
from compress_lib.plan import Plan, Rule
from compress_lib.store import Store
from compress_lib.ui import known_runs
from compress_lib.ui.known_runs import KnownRuns
from tests.compressed import run_record


def plan(keep: float) -> Plan:
    return Plan(rules=(Rule(pattern="embedding", method="svd", keep=keep),))


@pytest.fixture
def runs(tmp_path: Path) -> KnownRuns:
    return KnownRuns(Store(tmp_path / "runs.sqlite"))


def test_a_measured_run_is_found_until_the_finished_one_takes_its_place(runs: KnownRuns) -> None:
    early, done = run_record(text=()), run_record()
    runs.note(plan(0.5), Evaluated(0.5, "Measured", early, None))
    assert runs.find(early.key) == early == runs.ran(plan(0.5))
    runs.store.add(done)
    runs.note(plan(0.5), Finished(1.0, "Finished", done, False, None))
    assert runs.find(early.key) == done == runs.ran(plan(0.5))
    assert not runs._measured
    assert runs.find("unknown") is None
    assert runs.ran(plan(0.4)) is None


def test_of_many_measured_runs_the_newest_are_known(
    runs: KnownRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_runs, "MOST_MEASURED", 3)
    for number in (0, 1, 2, 0, 3):
        record = run_record(key=f"{number:016}", text=())
        runs.note(plan(0.1 + number / 10), Evaluated(0.5, "Measured", record, None))
    assert [int(key) for key in runs._measured] == [2, 0, 3]
