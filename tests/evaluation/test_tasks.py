"""Tasks without lm_eval: the items of our own, names and limits, refusals, records and reuse."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from compress_lib.cli.commands.run import read_tasks
from compress_lib.cli.commands.summary import write_summary
from compress_lib.cli.main import main
from compress_lib.errors import CompressionError, unknown_name
from compress_lib.evaluation.tasks import FOLDER, ChosenTasks, load_tasks, own_tasks
from compress_lib.models.loading import LanguageModel
from compress_lib.results.records import RunRecord, TaskRecord
from compress_lib.results.store import Store
from compress_lib.runs import execute
from compress_lib.utils.paths import ROOT
from tests.runs.test_execute import events, record_of

TASK = TaskRecord("lab_sense", "acc", 0.875, 0.375, 0.034, None, 96)


def items(name: str) -> list[dict[str, Any]]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def chosen(*names: str, size: int = 96, limit: int | None = None) -> ChosenTasks:
    """Tasks that lm_eval might have loaded."""
    return ChosenTasks({name: SimpleNamespace(eval_docs=range(size)) for name in names}, limit)


@pytest.mark.parametrize("name", own_tasks())
def test_a_description_names_its_items(name: str) -> None:
    config = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config["task"] == name
    assert (ROOT / config["dataset_kwargs"]["data_files"]["test"]) == FOLDER / f"{name}.jsonl"


@pytest.mark.parametrize(("name", "ways"), [("lab_sense", 4), ("lab_grammar", 2)])
def test_without_the_question_there_is_nothing_but_chance(name: str, ways: int) -> None:
    found = items(name)
    assert len(found) == 96
    assert len({item["context"] + item["choices"][0] for item in found}) == 96
    right = Counter((tuple(item["choices"]), item["answer"]) for item in found)
    # Every set of endings stands after as many beginnings, and each of it is right once: whoever
    # looks at the endings alone, by length, place or likelihood, is right once in a set.
    assert set(right.values()) == {1}
    assert len(right) == ways * len({choices for choices, _ in right})
    assert all(len(set(item["choices"])) == ways for item in found)


def test_own_tasks_are_found() -> None:
    assert own_tasks() == ("lab_grammar", "lab_sense")


def test_names_are_read_once_each() -> None:
    assert read_tasks(None, None) == ((), None)
    assert read_tasks("lab_sense, lab_grammar,lab_sense,", "8") == (
        ("lab_sense", "lab_grammar"),
        8,
    )


@pytest.mark.parametrize(
    ("names", "limit", "complaint"),
    [
        (None, "3", "--task-limit needs --tasks"),
        (" , ", None, "names no task"),
        ("lab_sense", "0", "--task-limit must be a number of at least 1"),
        ("lab_sense", "1.5", "whole number"),
    ],
)
def test_what_cannot_be_read_is_refused(
    names: str | None, limit: str | None, complaint: str
) -> None:
    with pytest.raises(CompressionError, match=complaint):
        read_tasks(names, limit)


def test_without_the_extra_the_way_to_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    command = ["run", "no/such/folder", "--method", "svd", "--keep", "0.5"]
    # Before the model, which here does not even exist.
    assert main([*command, "--tasks", "lab_sense"]) == 2
    assert 'pip install "compress-lab[tasks]"' in capsys.readouterr().err
    assert load_tasks(()).tasks == {}


def test_too_many_names_are_not_all_listed() -> None:
    error = unknown_name("task", "lab_sens", ["lab_sense", "other"], listed="and many more")
    assert (
        str(error) == "Unknown task 'lab_sens'. Did you mean 'lab_sense'? Allowed: and many more."
    )


def test_a_record_answers_for_the_items_it_asked(llama: LanguageModel) -> None:
    data = record_of(events(llama)).to_json()
    assert data.pop("tasks") == []
    old = RunRecord.from_json(data)
    assert old.tasks == ()
    assert ChosenTasks().answered_by(old)
    record = RunRecord.from_json(data | {"tasks": [vars(TASK)]})
    assert record.tasks == (TASK,)
    assert chosen("lab_sense").answered_by(record)
    assert chosen("lab_sense", limit=200).answered_by(record)
    assert not chosen("lab_sense", limit=8).answered_by(record)
    assert not chosen("lab_sense", "lab_grammar").answered_by(record)


def test_a_run_without_the_tasks_is_run_again(
    llama: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        execute, "load_tasks", lambda names, limit: chosen(*names) if names else ChosenTasks()
    )
    monkeypatch.setattr(
        execute, "run_tasks", lambda model, small, asked, report: [TASK] if asked.tasks else []
    )
    store = Store(tmp_path / "runs.sqlite")
    assert record_of(events(llama, store=store)).tasks == ()
    found = events(llama, store=store, tasks=("lab_sense",))
    assert record_of(found).tasks == (TASK,)
    fractions = [event.fraction for event in found]
    assert fractions == sorted(fractions)
    assert any("lab_sense: acc 0.875 → 0.375" in event.message for event in found)
    again = events(llama, store=store, tasks=("lab_sense",))
    assert again[-1].stored  # type: ignore[attr-defined]
    assert record_of(events(llama, store=store)).tasks == (TASK,)


def test_the_summary_has_a_line_a_task(
    llama: LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record_of(events(llama)).to_json() | {"tasks": [vars(TASK)]}
    write_summary(RunRecord.from_json(data))
    line = "task        lab_sense, acc 0.875 ± 0.034 → 0.375 (96 items)"
    assert line in capsys.readouterr().out.splitlines()
