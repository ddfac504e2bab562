"""Tasks through lm_eval itself, where the extra `tasks` is installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from compress_lib.cli.main import main
from compress_lib.compression.compress import compress_at_once
from compress_lib.errors import CompressionError, StoppedError
from compress_lib.evaluation import tasks
from compress_lib.evaluation.tasks import load_tasks, run_tasks
from compress_lib.models.checkpoint import save_compressed
from compress_lib.models.loading import LanguageModel
from compress_lib.results.records import RunRecord
from compress_lib.utils.paths import ASSETS, ROOT
from compress_lib.utils.progress import Event
from tests.evaluation.test_tasks import items
from tests.runs.test_execute import PLAN, events, record_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def lm_eval() -> None:
    """Skip without the extra; imported here, so that other runs stay free of it."""
    pytest.importorskip("lm_eval")


def halved(model: LanguageModel) -> LanguageModel:
    from compress_lib.plan.allocation import allocate

    return compress_at_once(model, allocate(PLAN, model.targets))[1]


def independent_accuracy(model: LanguageModel, name: str, limit: int) -> float:
    """The share of items whose right ending is the likeliest, one ending at a time."""
    import torch

    right = 0
    for item in items(name)[:limit]:
        sums = []
        for choice in item["choices"]:
            before = model.tokenizer(item["context"])["input_ids"]
            ids = model.tokenizer(f"{item['context']} {choice}")["input_ids"]
            with torch.inference_mode():
                logits = model.module(torch.tensor([ids])).logits[0].log_softmax(-1)
            sums.append(sum(float(logits[i - 1, ids[i]]) for i in range(len(before), len(ids))))
        right += max(range(len(sums)), key=sums.__getitem__) == item["answer"]
    return right / limit


def test_both_models_are_scored_and_left_as_they_were(any_model: LanguageModel) -> None:
    import torch

    small = halved(any_model)
    ids = torch.arange(10, 30)[None]
    with torch.inference_mode():
        before = [model.module(ids).logits.clone() for model in (any_model, small)]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    seen: list[float] = []
    chosen = load_tasks(["lab_sense"], 12)
    (record,) = run_tasks(
        any_model, small, chosen, report=lambda event: seen.append(event.fraction)
    )
    assert record.baseline == pytest.approx(independent_accuracy(any_model, "lab_sense", 12))
    assert record.compressed == pytest.approx(independent_accuracy(small, "lab_sense", 12))
    share = record.baseline
    assert record.baseline_stderr == pytest.approx((share * (1 - share) / 11) ** 0.5)
    assert record.samples == 12
    assert seen == sorted(seen)
    assert seen[-1] <= 1
    assert torch.equal(torch.get_rng_state(), state)
    assert any_model.tokenizer.pad_token is None
    with torch.inference_mode():
        after = [model.module(ids).logits for model in (any_model, small)]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_the_tasks_stand_in_the_record(
    llama: LanguageModel, capfd: pytest.CaptureFixture[str]
) -> None:
    found = record_of(events(llama, tasks=("lab_grammar", "lab_sense"), task_limit=4))
    assert [(task.task, task.metric, task.samples) for task in found.tasks] == [
        ("lab_grammar", "acc", 4),
        ("lab_sense", "acc", 4),
    ]
    assert "tasks" in found.seconds
    json.dumps(found.to_json(), allow_nan=False)
    # Neither notes nor bars of lm_eval and datasets.
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "it/s" not in printed.err
    assert "lm_eval" not in printed.err


def test_stopping_reaches_the_tasks(llama: LanguageModel) -> None:
    def stop(event: Event) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        run_tasks(llama, llama, load_tasks(["lab_sense"], 4), report=stop)


def test_an_unknown_task_is_told_the_nearest() -> None:
    with pytest.raises(CompressionError, match=r"Did you mean 'arc_easy'\? .* lab_grammar") as told:
        load_tasks(["arc_esy"])
    assert len(str(told.value)) < 200


def test_data_that_is_not_here_is_one_sentence() -> None:
    with pytest.raises(CompressionError, match="cannot be downloaded from the Hugging Face Hub"):
        load_tasks(["lab_sense", "arc_easy"])


def test_a_task_that_must_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (tasks.FOLDER / "lab_sense.yaml").read_text(encoding="utf-8")
    text = text.replace("task: lab_sense", "task: writing").replace(
        "output_type: multiple_choice", "output_type: generate_until"
    )
    text = text.replace("doc_to_choice: choices\n", "").replace(
        "metric: acc", "metric: exact_match"
    )
    (tmp_path / "writing.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(tasks, "FOLDER", tmp_path)
    with pytest.raises(CompressionError, match="has the output type generate_until"):
        load_tasks(["writing"])


def test_broken_data_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (tasks.FOLDER / "lab_sense.yaml").read_text(encoding="utf-8")
    missing = text.replace("assets/tasks/", f"{tmp_path}/")
    (tmp_path / "lab_sense.yaml").write_text(missing, encoding="utf-8")
    monkeypatch.setattr(tasks, "FOLDER", tmp_path)
    with pytest.raises(CompressionError, match="lab_sense cannot be loaded"):
        load_tasks(["lab_sense"])


def test_the_command_for_saved_checkpoints_works(llama: LanguageModel, tmp_path: Path) -> None:
    small = halved(llama)
    folder = save_compressed(small, tmp_path / "small")
    text = (ASSETS / "docs" / "tasks.md").read_text(encoding="utf-8")
    found = re.search(r"^python -c (?:.*\\\n)+.*", text, re.MULTILINE)
    assert found
    command = [
        part.replace("small/", str(folder)) for part in shlex.split(found[0].replace("\\\n", ""))
    ]
    done = subprocess.run(
        [sys.executable, *command[1:], "--limit", "8"],
        cwd=ROOT,
        env=os.environ | {"COMPRESS_LAB_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    (record,) = run_tasks(small, small, load_tasks(["lab_sense"], 8))
    told = re.search(r"\|lab_sense *\|.*\|acc *\|[^|]*\| *([\d.]+) *\|", done.stdout)
    assert told
    assert float(told[1]) == record.compressed


def test_the_default_model_knows_and_a_ruined_one_guesses(
    real_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "record.json"
    command = ["run", "smollm2-135m", "--method", "svd", "--keep", "0.5", "--include", "embedding"]
    command += ["--tokens", "256", "--context", "128", "--new-tokens", "2", "--fresh"]
    command += ["--tasks", "lab_sense,lab_grammar", "--out", str(out), "--device", "cpu"]
    assert main(command) == 0
    record = RunRecord.from_json(json.loads(out.read_text(encoding="utf-8")))
    sense, grammar = record.tasks
    assert sense.baseline > 0.8
    assert grammar.baseline > 0.9
    # Chance is 0.25 and 0.5; what the ruined model still has are words that belong together.
    assert sense.compressed < 0.45
    assert grammar.compressed < 0.6
    assert "lab_grammar, acc 0.9" in capsys.readouterr().out
