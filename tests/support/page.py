"""Page engine over a tiny model, and form inputs for the page's handlers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compress_lib.data.text_spec import TextSpec
from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import total_bytes
from compress_lib.plan.plan import Generation, Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.records import RunRecord
from compress_lib.results.store import Store
from compress_lib.runs.execute import write_prompts
from compress_lib.ui import job_updates
from compress_lib.ui.app import Page
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding
from compress_lib.ui.form.map_table import COLOURS
from compress_lib.utils.progress import Event, Report
from tests.support.tiny import tiny_model

PLAN = Plan(
    rules=(Rule(pattern="embedding", method="svd", keep=0.5),),
    evaluation=TextSpec(tokens=300, context=100),
    generation=Generation(max_new_tokens=4),
)


class TinyEngine(Engine):
    """Engine that loads the same tiny model for every name."""

    model: LanguageModel
    gate: threading.Event | None = None

    def load(self, model: str, revision: str | None, device: str, report: Report) -> LanguageModel:
        if self.gate is not None:
            while not self.gate.wait(0.02):
                report(Event(0.0, "held"))
        self._targets[model] = (tuple(self.model.targets), total_bytes(self.model))
        return replace(self.model, id=model)


def read_form(plan: Plan = PLAN, **changes: Any) -> Plan:
    """Return the plan read from a form that shows `plan`, with some values changed by name."""
    return binding.read_plan({**binding.form_values(plan), **changes})


def given(
    page: Page, plan: Plan = PLAN, state: Mapping[Any, Any] | None = None, **changes: Any
) -> dict[Any, Any]:
    """Return the component values that a page handler receives.

    Args:
        page: The page.
        plan: Plan shown in the form.
        state: Values of other components.
        changes: Form values by field name.
    """
    values = {**binding.form_values(plan), **changes}
    chart, tray = page.panel.map, page.results.tabs["compare"].parts["tray"]
    others: dict[Any, Any] = {
        page.keys: [],
        page.current: None,
        tray: [],
        chart.colour: COLOURS[0],
        chart.chosen: [],
        chart.history: {},
        chart.method: binding.PLAIN,
        chart.keep: 0.5,
        chart.preset: None,
    }
    fields = {field: values[name] for name, field in page.panel.fields.items()}
    return {**others, **fields, **(state or {})}


def finish(engine: Engine, plan: Plan = PLAN) -> tuple[list[job_updates.Update], RunRecord]:
    """Run a plan to completion on the page's engine; return all updates and the record."""
    updates = list(job_updates.run_plans(engine, [plan]))
    record = updates[-1].finished
    assert record is not None
    return updates, record


def hold_writing(monkeypatch: pytest.MonkeyPatch, free: int = 0) -> threading.Event:
    """Block all runs except the first `free` before text generation, until the event is set.

    Tiny runs finish almost immediately, so a test that acts during a run has to block it.

    Args:
        monkeypatch: Fixture of the test.
        free: Number of runs that are not blocked.

    Returns:
        The event that unblocks the runs.
    """
    gate = threading.Event()
    started: list[Any] = []

    def wait(*given: Any) -> Any:
        started.append(given)
        while len(started) > free and not gate.wait(0.02):
            given[3](Event(0.0, "held"))
        return write_prompts(*given)

    monkeypatch.setattr("compress_lib.runs.execute.write_prompts", wait)
    return gate


def tiny_engine(folder: Path) -> Iterator[TinyEngine]:
    """Yield an engine that stores its runs in a folder, and close it afterwards."""
    engine = TinyEngine(Store(folder / "runs.sqlite"), limits={"queued_jobs": 3})
    engine.model = tiny_model()
    yield engine
    if engine.gate is not None:
        engine.gate.set()
    engine.queue.close()
