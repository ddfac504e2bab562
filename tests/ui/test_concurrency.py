"""Thirty people at once, and a hundred runs: everybody gets his own answer, nothing piles up."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError

from compress_lib.plan.plan import Generation, Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.store import Store
from compress_lib.ui.app import Page
from compress_lib.ui.common import messages
from compress_lib.ui.engine.model_cache import MOST_KEPT
from tests.support.page import PLAN, TinyEngine, finish, read_form
from tests.support.tiny import tiny_model

PEOPLE = 30

pytestmark = pytest.mark.slow


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[TinyEngine]:
    """An engine with room for all of them."""
    made = TinyEngine(Store(tmp_path / "runs.sqlite"), limits={"queued_jobs": PEOPLE})
    made.model = tiny_model()
    yield made
    made.queue.close()


@pytest.fixture
def address(crowded: TinyEngine) -> Iterator[str]:
    blocks = Page(crowded).build()
    blocks.queue(api_open=False, max_size=64, default_concurrency_limit=8)
    _, found, _ = blocks.launch(prevent_thread_lock=True, quiet=True, server_port=None)
    yield found
    blocks.close()


def client(address: str) -> Client:
    """A program, patient enough for a machine on which thirty ask at once."""
    return Client(address, verbose=False, httpx_kwargs={"timeout": 120})


def wanted(index: int) -> Plan:
    """Half of them ask for the same, the others each for something else."""
    keep = 0.5 if index % 2 else round(0.2 + 0.02 * index, 2)
    rule = Rule(pattern="embedding", method="svd", keep=keep)
    prompt = f"Asked by {index}" if index % 2 == 0 else "Asked by many"
    written = Generation(max_new_tokens=2)
    return replace(PLAN, rules=(rule,), generation=written, prompts=(prompt,))


def test_everybody_gets_the_answer_to_his_own_question(address: str, crowded: TinyEngine) -> None:
    def ask(index: int) -> tuple[Plan, dict[str, Any]]:
        plan = wanted(index)
        found = client(address).predict(plan.to_json(), api_name="/compress")
        return plan, found

    with ThreadPoolExecutor(PEOPLE) as people:
        answers = list(people.map(ask, range(PEOPLE)))
    assert len(answers) == PEOPLE
    for plan, record in answers:
        assert Plan.from_json(record["plan"]).without_provenance().key == plan.key
        # What one writes no other reads.
        assert [text["prompt"] for text in record["text"]] == list(plan.prompts)
    different = {plan.key for plan, _ in answers}
    assert len(crowded.runs.store.runs()) == len(different)


def test_beyond_the_line_there_is_a_sentence(address: str, crowded: TinyEngine) -> None:
    crowded._limits["queued_jobs"] = 2

    def ask(index: int) -> str:
        try:
            client(address).predict(wanted(2 * index).to_json(), api_name="/compress")
        except AppError as error:
            return str(error)
        return "answered"

    with ThreadPoolExecutor(12) as people:
        said = list(people.map(ask, range(12)))
    assert "answered" in said
    refused = [sentence for sentence in said if sentence != "answered"]
    assert all("queue is full (2)" in sentence for sentence in refused), refused


def test_one_client_cannot_take_the_whole_line(address: str, crowded: TinyEngine) -> None:
    crowded.queue.asker = messages.session
    crowded._limits |= {"queued_jobs": 10, "jobs_each": 1}
    crowded.gate = threading.Event()
    greedy, modest = (client(address) for _ in range(2))
    first = greedy.submit(replace(wanted(0), seed=71).to_json(), api_name="/compress")
    while not crowded.queue:
        time.sleep(0.02)
    with pytest.raises(AppError, match="already have 1 queued or running jobs"):
        greedy.predict(replace(wanted(1), seed=71).to_json(), api_name="/compress")
    other = modest.submit(replace(wanted(2), seed=71).to_json(), api_name="/compress")
    while len(crowded.queue) < 2:
        time.sleep(0.02)
    crowded.gate.set()
    assert first.result()["plan"]["seed"] == other.result()["plan"]["seed"] == 71


def test_a_hundred_runs_leave_no_more_behind_than_twenty(crowded: TinyEngine) -> None:
    def tensors() -> int:
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    counts = []
    for seed in range(100):
        finish(crowded, read_form(seed=seed, keep=0.3 + seed / 200))
        if seed in (19, 99):
            counts.append(tensors())
    assert counts[1] <= counts[0] + 10
    assert len(crowded.made._models) == MOST_KEPT
