"""Runs on a lent GPU: what comes back through pickles is what an engine here would tell."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.store import Store
from compress_lib.ui import job_updates
from compress_lib.ui.common import texts
from compress_lib.ui.engine import zerogpu
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.zerogpu import ZeroGpuEngine, seconds
from compress_lib.ui.serve import _engine
from compress_lib.utils import profiles
from compress_lib.utils.progress import TrainingProgress
from tests.support.page import PLAN, TinyEngine, finish
from tests.support.tiny import tiny_model

Task = Callable[[dict[str, Any]], Iterator[list[Any]]]


class Lender:
    """Lends like `spaces.GPU`: asks how long, and hands everything over as pickles."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.open = 0
        self.gate: threading.Event | None = None
        self.fails: Exception | None = None
        self.told: list[Any] = []

    def __call__(self, duration: Callable[[dict[str, Any]], int]) -> Callable[[Task], Task]:
        def wrap(task: Task) -> Task:
            def lent(plan: dict[str, Any]) -> Iterator[list[Any]]:
                self.asked.append(duration(plan))
                if self.fails is not None:
                    raise self.fails
                self.open += 1
                steps = task(pickle.loads(pickle.dumps(plan)))
                try:
                    for notes in steps:
                        self.told += notes
                        yield pickle.loads(pickle.dumps(notes))
                finally:
                    self.open -= 1
                    steps.close()  # type: ignore[attr-defined]

            return lent

        return wrap


@pytest.fixture
def lender() -> Lender:
    return Lender()


@pytest.fixture
def lending(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ZeroGpuEngine:
    def there(device: str) -> Engine:
        made = TinyEngine(Store(tmp_path / "runs.sqlite"))
        made.model = tiny_model()
        made.gate = lender.gate
        return made

    def here(*given: Any) -> Any:
        return tiny_model()

    zerogpu._engine_there.cache_clear()
    monkeypatch.setattr(zerogpu, "Engine", there)
    monkeypatch.setattr(ZeroGpuEngine, "load", here)
    return ZeroGpuEngine(lender, store=Store(tmp_path / "runs.sqlite"))


def test_a_run_there_ends_like_a_run_here(
    lending: ZeroGpuEngine, lender: Lender, engine: TinyEngine
) -> None:
    updates, record = finish(lending)
    _, here = finish(engine)
    assert record.key == here.key
    assert record.perplexity.compressed == here.perplexity.compressed
    assert "After block 3" in [update.log for update in updates if update.log][-1]
    assert (len(lender.asked), lender.open) == (1, 0)
    # Weights are not handed over: they are large, and on the GPU.
    models = [note.compressed for note in lender.told if hasattr(note, "compressed")]
    assert models == [None, None]
    # What is known needs no GPU.
    again, same = finish(lending)
    assert same == record
    assert texts.STORED in str(again[-1].status)
    assert len(lender.asked) == 1


def test_a_refusal_there_keeps_its_words(lending: ZeroGpuEngine, lender: Lender) -> None:
    with pytest.raises(CompressionError, match="tokens"):
        finish(lending, replace(PLAN, evaluation=TextSpec(tokens=300, context=100_000)))
    assert lender.open == 0


def test_stopping_gives_the_gpu_back_though_nothing_is_told(
    lending: ZeroGpuEngine, lender: Lender
) -> None:
    lender.gate = threading.Event()
    updates = job_updates.run_plans(lending, [PLAN])
    while not lender.open:
        next(updates)
    updates.close()
    lending.queue.close()
    assert lender.open == 0


def test_a_gpu_that_is_not_lent_is_a_sentence(lending: ZeroGpuEngine, lender: Lender) -> None:
    lender.fails = gr.Error("You have exceeded your quota.")
    with pytest.raises(CompressionError, match="exceeded your quota"):
        finish(lending)
    lender.fails = None
    finish(lending)


def test_a_plan_is_refused_before_a_gpu_is_asked_for(
    lending: ZeroGpuEngine, lender: Lender
) -> None:
    with pytest.raises(CompressionError, match="no separate LM head"):
        finish(lending, Plan(rules=(Rule(pattern="head"),)))
    assert not lender.asked


def test_all_that_is_told_can_be_handed_over() -> None:
    epoch = TrainingProgress(0.5, "Epoch 2 of 3", 2, 0.5)
    assert pickle.loads(pickle.dumps(epoch)) == epoch


def test_what_learns_is_lent_the_gpu_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(profiles.PROFILE, "zerogpu")
    usual = profiles.limits()[profiles.LENT_SECONDS]
    for method, times in (("svd", 1), ("autoencoder", 3), ("two_sided_svd", 3), ("dense", 1)):
        plan = Plan(rules=(Rule(pattern="key", method=method, keep=0.5),))
        assert seconds(plan.to_json()) == times * usual


def test_the_profile_decides_where_runs_go(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(_engine()) is Engine
    monkeypatch.setenv(profiles.PROFILE, "zerogpu")
    monkeypatch.setitem(sys.modules, "spaces", None)
    with pytest.raises(CompressionError, match="pip install spaces"):
        _engine()
