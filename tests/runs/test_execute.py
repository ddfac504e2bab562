"""A whole run on a tiny model: events, record, store, and honest refusals."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compress_lib import runs
from compress_lib.data.text_spec import TextSpec
from compress_lib.data.tokenization import check_disjoint
from compress_lib.errors import CompressionError, StoppedError
from compress_lib.models.loading import LanguageModel, load_model
from compress_lib.plan.plan import Generation, Plan
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.results.records import RunRecord
from compress_lib.results.store import Store
from compress_lib.runs.events import (
    BlockScored,
    EvaluationFinished,
    RunFinished,
    TargetCompressed,
    TextWritten,
)
from compress_lib.runs.execute import Load, execute, iterate_events, run_plan
from compress_lib.utils.generators import THREAD
from compress_lib.utils.progress import Event, Milestone
from tests.support.tiny import save_tiny

PLAN = Plan(
    model="tiny",
    rules=(Rule(pattern="*", method="svd", keep=0.5),),
    evaluation=TextSpec(tokens=400, context=100),
    calibration=TextSpec(tokens=300),
    generation=Generation(max_new_tokens=5),
    prompts=("The tide", "A letter"),
)


def always(model: LanguageModel) -> Load:
    """Load one model, whatever is asked for."""
    return lambda name, revision, device, report: model


def events(model: LanguageModel, plan: Plan = PLAN, **more: Any) -> list[Event]:
    found: list[Event] = []
    last = execute(plan, found.append, load=always(model), **more)
    assert found[-1] is last
    return found


def record_of(found: list[Event]) -> RunRecord:
    assert isinstance(found[-1], RunFinished)
    return found[-1].record


def test_a_run_tells_of_every_weight_block_and_prompt(llama: LanguageModel) -> None:
    found = events(llama)
    assert sum(isinstance(event, TargetCompressed) for event in found) == len(llama.targets)
    assert sum(isinstance(event, BlockScored) for event in found) == 4
    assert sum(isinstance(event, TextWritten) for event in found) == 2
    # Several weights are compressed at once: what is told of a later one may come before.
    fractions = [event.fraction for event in found if isinstance(event, Milestone)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_the_record_has_all_that_was_promised(llama: LanguageModel) -> None:
    data = record_of(events(llama)).to_json()
    assert {"key", "plan", "model", "perplexity", "agreement", "memory", "targets"} <= set(data)
    assert {"direction", "text", "seconds", "environment"} <= set(data)
    assert set(data["model"]) == {"id", "revision", "source", "parameters"}
    assert data["perplexity"]["predictions"] == 4 * 99
    assert data["perplexity"]["tokens"] == 400
    assert data["perplexity"]["corpus"] == "prose"
    assert data["memory"]["compressed_bytes"] < data["memory"]["baseline_bytes"]
    parts = data["memory"]["components"]
    assert sum(p["baseline_bytes"] for p in parts) == data["memory"]["baseline_bytes"]
    assert sum(p["compressed_bytes"] for p in parts) == data["memory"]["compressed_bytes"]
    assert {"names", "family", "layer", "rows", "cols", "method", "rank"} <= set(data["targets"][0])
    assert set(data["seconds"]) == {"load", "calibrate", "compress", "evaluate", "generate"}
    assert RunRecord.from_json(json.loads(json.dumps(data, allow_nan=False))).to_json() == data


def test_what_is_measured_is_told_before_both_models_write(llama: LanguageModel) -> None:
    found = events(llama)
    kinds = [type(event) for event in found]
    assert kinds.index(EvaluationFinished) < kinds.index(TextWritten)
    early, last = (
        next(event for event in found if isinstance(event, EvaluationFinished)),
        record_of(found),
    )
    assert not early.record.answered
    assert last.answered
    assert early.record.speed is not None
    assert early.record.speed.baseline_decode is None
    assert last.speed is not None
    assert last.speed.baseline_decode
    # All else is said already, and stays as it was said.
    same = {"text": last.text, "seconds": last.seconds, "speed": last.speed}
    assert replace(early.record, **same) == last  # type: ignore[arg-type]
    assert f"{last.perplexity.compressed:,.2f}" in early.message


def test_the_same_plan_gives_the_same_numbers(llama: LanguageModel) -> None:
    first, second = record_of(events(llama)), record_of(events(llama))
    assert first.perplexity == second.perplexity
    assert first.key == second.key
    assert [t.relative_error for t in first.targets] == [t.relative_error for t in second.targets]
    assert [t.compressed for t in first.text] == [t.compressed for t in second.text]


def test_a_plan_that_leaves_all_dense_measures_the_baseline(llama: LanguageModel) -> None:
    record = record_of(events(llama, replace(PLAN, rules=(Rule(method=DENSE),))))
    assert record.perplexity.ratio == 1
    assert record.memory.baseline_bytes == record.memory.compressed_bytes
    assert record.targets == ()
    assert record.direction is None
    assert all(text.first_divergence is None for text in record.text)


def test_an_answer_that_exists_is_given_at_once(llama: LanguageModel, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.sqlite")
    first = events(llama, store=store)
    again = events(llama, store=store)
    assert len(again) == 2
    assert isinstance(again[-1], RunFinished)
    assert again[-1].stored
    assert record_of(again) == record_of(first)
    other = events(replace(llama, revision="another"), store=store)
    assert not other[-1].stored  # type: ignore[attr-defined]


def test_the_chosen_text_of_ones_own_is_measured(llama: LanguageModel) -> None:
    own = TextSpec(corpus="own", text="A small boat went out. " * 20, tokens=4096, context=50)
    record = record_of(events(llama, replace(PLAN, evaluation=own)))
    assert 50 < record.perplexity.tokens < 400
    assert record.perplexity.corpus == "own text"


def test_calibration_that_contains_the_evaluation_is_refused(
    llama: LanguageModel, tmp_path: Path
) -> None:
    file = tmp_path / "text.txt"
    file.write_text("".join(f"Line {number} of a text, and so on.\n" for number in range(300)))
    same = replace(
        PLAN,
        evaluation=TextSpec(corpus=str(file), tokens=400, context=100),
        calibration=TextSpec(corpus=str(file)),
    )
    with pytest.raises(CompressionError, match="also appears in the calibration text"):
        events(llama, same)


def test_a_shared_phrase_is_not_a_leak() -> None:
    check_disjoint(list(range(10_000)), [*range(40), *range(20_000, 30_000)])
    with pytest.raises(CompressionError):
        check_disjoint(list(range(10_000)), list(range(5_000, 6_000)))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"evaluation": TextSpec(tokens=400, context=129)}, "too long for tiny-llama"),
        ({"evaluation": TextSpec(tokens=200_000, context=100)}, "200,000 were requested"),
        ({"evaluation": TextSpec(corpus="no-such-corpus")}, "Unknown corpus"),
        ({"evaluation": TextSpec(corpus="missing.txt")}, "no text file"),
        ({"prompts": ("word " * 200,)}, "exceeds the model's context of 128 tokens"),
        ({"rules": (Rule(pattern="nothing"),)}, "selects nothing"),
    ],
)
def test_what_cannot_run_is_refused_and_nothing_is_kept(
    llama: LanguageModel, tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    store = Store(tmp_path / "runs.sqlite")
    with pytest.raises(CompressionError, match=complaint):
        events(llama, replace(PLAN, **change), store=store)  # type: ignore[arg-type]
    assert store.runs() == []


def test_stopping_keeps_nothing(llama: LanguageModel, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.sqlite")

    def stop(event: Event) -> None:
        if event.fraction > 0.6:
            raise StoppedError

    with pytest.raises(StoppedError):
        execute(PLAN, stop, load=always(llama), store=store)
    assert store.runs() == []


def test_events_may_be_taken_one_by_one(llama: LanguageModel) -> None:
    found: list[Event] = []
    steps = iterate_events(PLAN, load=always(llama))
    with pytest.raises(StopIteration) as end:
        while True:
            found.append(next(steps))
    assert end.value.value is found[-1]
    told, given = (
        [type(event) for event in some if isinstance(event, Milestone)]
        for some in (found, events(llama))
    )
    assert told == given
    fractions = [event.fraction for event in found]
    assert fractions == sorted(fractions)


def test_closing_the_events_stops_the_run(
    llama: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs.execute, "measure", lambda *_: pytest.fail("it went on"))
    store = Store(tmp_path / "runs.sqlite")
    steps = iterate_events(PLAN, load=always(llama), store=store)
    assert any(isinstance(event, TargetCompressed) for event in steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)
    assert not any(thread.name.startswith(THREAD) for thread in threading.enumerate())
    assert store.runs() == []


def test_a_folder_on_disk_runs_from_the_library(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "model")
    record = run_plan(replace(PLAN, model=str(folder)), device="cpu")
    assert record.model.source == "folder model"
    assert record.environment["stored_as"] == "float16"
    assert load_model(str(folder)).parameters == record.model.parameters
