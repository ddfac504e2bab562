"""A page's engine over a tiny model, and the form it is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
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
from compress_lib.runs.prompts import answer
from compress_lib.ui import job_updates
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding
from compress_lib.utils.progress import Progress
from tests.support.tiny import tiny_model

PLAN = Plan(
    rules=(Rule(pattern="embedding", method="svd", keep=0.5),),
    evaluation=TextSpec(tokens=300, context=100),
    generation=Generation(max_new_tokens=4),
)


class TinyEngine(Engine):
    """An engine whose models are all one tiny model."""

    model: LanguageModel
    gate: threading.Event | None = None

    def load(
        self, model: str, revision: str | None, device: str, progress: Progress
    ) -> LanguageModel:
        if self.gate is not None:
            while not self.gate.wait(0.02):
                progress(0.0, "held")
        self._targets[model] = (tuple(self.model.targets), total_bytes(self.model))
        return replace(self.model, id=model)


def form(plan: Plan = PLAN, **changes: Any) -> list[Any]:
    """The form's values for a plan, some of them changed."""
    filled = binding.write(plan)
    return binding.flat(binding.Form({**filled.values, **changes}, filled.options))


def finish(engine: Engine, given: list[Any]) -> tuple[list[job_updates.Update], RunRecord]:
    updates = list(job_updates.run(engine, given))
    record = updates[-1].finished
    assert record is not None
    return updates, record


def hold_writing(monkeypatch: pytest.MonkeyPatch, free: int = 0) -> threading.Event:
    """Make all runs but the first few wait before both models write; give what they wait for.

    A tiny run is over before anybody looks, so what a test does in the middle of one needs one
    that stays there.
    """
    gate = threading.Event()
    begun: list[Any] = []

    def wait(*given: Any) -> Any:
        begun.append(given)
        while len(begun) > free and not gate.wait(0.02):
            given[3](0.0, "held")
        return (yield from answer(*given))

    monkeypatch.setattr("compress_lib.runs.execute.answer", wait)
    return gate


def tiny_engine(folder: Path) -> Iterator[TinyEngine]:
    """Make an engine that keeps its runs in a folder, and close it."""
    made = TinyEngine(Store(folder / "runs.sqlite"), limits={"queued_jobs": 3})
    made.model = tiny_model()
    yield made
    if made.gate is not None:
        made.gate.set()
    made.line.close()
