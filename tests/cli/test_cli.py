"""The command line, as a person types it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from compress_lib.cli.bench import speed
from compress_lib.cli.commands.plan_options import read_plan
from compress_lib.cli.commands.run import add_arguments
from compress_lib.cli.main import main
from compress_lib.models.checkpoint import load_compressed
from compress_lib.plan.plan import Plan
from compress_lib.results.describe import describe
from compress_lib.results.records import RunRecord
from tests.support.tiny import save_tiny

SMALL = ["--tokens", "200", "--context", "50", "--new-tokens", "3", "--device", "cpu"]


SEEDED = ["run", "gpt2", "--method", "random_control", "--keep", "0.5", "--seeds", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("checkpoint")))


def test_models_lists_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert "smollm2-135m" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    names = {row["name"] for row in rows}
    assert {"gpt2", "distilgpt2", "pythia-160m", "opt-125m", "smollm2-360m"} <= names
    assert {"qwen2.5-0.5b", "gemma-3-270m"} <= names
    assert not any(row["cached"] for row in rows)


def test_pinning_without_the_hub_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from compress_lib.utils.profiles import SPACES_FILE

    before = SPACES_FILE.read_text()
    assert main(["models", "--pin"]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert SPACES_FILE.read_text() == before


def test_inspect_lists_targets(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", folder, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first = found["targets"][0]
    assert first["names"] == ["model.embed_tokens", "lm_head"]
    assert first["tied"] is True
    assert first["bytes"] == 320 * 32 * 2
    assert first["break_even_rank"] == 320 * 32 // 352
    assert main(["inspect", folder, "--include", "query"]) == 0
    out = capsys.readouterr().out
    assert "2 targets" in out
    assert "k_proj" not in out


def test_run_writes_the_record_and_the_checkpoint(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, saved = tmp_path / "record.json", tmp_path / "small"
    command = ["run", folder, "--method", "svd", "--keep", "0.5", "--exclude", "embedding"]
    command += ["--prompt", "The tide", "--out", str(out), "--save", str(saved), *SMALL]
    assert main(command) == 0
    printed = capsys.readouterr()
    record = RunRecord.from_json(json.loads(out.read_text()))
    assert record.key in printed.out
    assert "Perplexity" in printed.err
    assert {target.family for target in record.targets}.isdisjoint({"embedding"})
    assert record.text[0].prompt == "The tide"
    assert load_compressed(saved).parameters < record.model.parameters


def test_a_record_can_be_run_again(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "record.json"
    main(["run", folder, "--method", "svd", "--keep", "0.4", "--out", str(out), *SMALL])
    capsys.readouterr()
    assert main(["run", "--plan", str(out), "--json", "--device", "cpu"]) == 0
    again = RunRecord.from_json(json.loads(capsys.readouterr().out))
    first = RunRecord.from_json(json.loads(out.read_text()))
    assert again.key == first.key
    assert again.perplexity == first.perplexity


def test_options_reach_the_method(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", folder, "--method", "autoencoder", "--keep", "0.5", "--include", "embedding"]
    command += ["--option", "epochs=2", "--option", "select_best_by=none", "--json", *SMALL]
    assert main(command) == 0
    record = RunRecord.from_json(json.loads(capsys.readouterr().out))
    options = record.plan.rules[0].options
    assert options == {"epochs": 2, "select_best_by": "none"}


def test_a_method_whose_options_say_the_size_needs_no_keep(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", folder, "--method", "int4", "--include", "ffn_in", "--json", *SMALL]
    assert main([*command, "--option", "group_size=32"]) == 0
    record = RunRecord.from_json(json.loads(capsys.readouterr().out))
    assert record.plan.rules[0].keep == 1
    # Four bits a weight, and a step and a minimum of 16 bits for 32 of them.
    assert {t.bytes_after / t.bytes_before for t in record.targets} == {5 / 16}
    assert main([*command, "--keep", "0.2"]) == 2
    assert "needs at least" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--method", "svdd", "--keep", "0.5"], "Did you mean 'svd'"),
        (["--method", "svd"], "--keep F is missing"),
        (["--keep", "0.5"], "--method NAME is missing"),
        ([], "No compression is given"),
        (["--include", "query"], "--include needs --method"),
        (["--method", "svd", "--keep", "0"], "above 0 and at most 1"),
        (["--method", "svd", "--keep", "nan"], "must be a number"),
        (["--method", "svd", "--keep", "1.5"], "above 0 and at most 1"),
        (["--method", "svd", "--keep", "0.001"], "below rank 1"),
        (["--method", "svd", "--keep", "0.5", "--include", "qery"], "Did you mean 'query'"),
        (["--method", "svd", "--keep", "0.5", "--option", "x"], "KEY=VALUE"),
        (["--method", "svd", "--keep", "0.5", "--option", "storag=1"], "Did you mean 'storage'"),
        (["--method", "svd", "--keep", "0.5", "--option", "factor_bits=1"], "from 2 to 8, not 1"),
        (["--method", "svd", "--keep", "0.5", "--prompt", " "], "prompt is empty"),
        (["--method", "svd", "--keep", "0.5", "--tokens", "x"], "tokens must be"),
        (["--method", "svd", "--keep", "0.5", "--eval-text", "prse"], "Did you mean 'prose'"),
        (["--method", "svd", "--keep", "0.5", "--device", "tpu"], "Unknown device"),
        (["--method", "svd", "--keep", "0.5", "--out", "no/such/place.json"], "--out"),
        (["--plan", "missing.json"], "no plan file"),
        (["--allocation", "automatic"], "--allocation needs --method"),
        (["--keep-of", "query=0.4"], "--keep-of needs --method"),
        (["--method", "svd", "--keep", "0.5", "--keep-of", "query"], "PATTERN=KEEP"),
        (["--method", "svd", "--keep", "0.5", "--keep-of", "query=2"], "above 0 and at most 1"),
        (["--method", "svd", "--keep", "0.5", "--allocation", "manual"], "needs --keep-of"),
    ],
)
def test_a_mistake_is_one_sentence(
    folder: str, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert main(["run", folder, *arguments]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert "Traceback" not in error


def test_an_unknown_model_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "smollm2-135", "--method", "svd", "--keep", "0.5"]) == 2
    assert "Did you mean 'smollm2-135m'" in capsys.readouterr().err


def test_it_does_not_overwrite_what_is_not_a_checkpoint(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    command = ["run", folder, "--method", "svd", "--keep", "0.5", "--save", str(tmp_path)]
    assert main(command) == 2
    assert "contains files but no checkpoint" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_groups_and_presets_reach_the_plan(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan = ["--method", "autoencoder", "--preset", "P2", "--keep", "0.4", "--include", "key"]
    more = ["--option", "epochs=1", "--group", "concatenated", "--orientation", "rows"]
    assert main(["run", folder, *plan, *more, *SMALL, "--json"]) == 0
    record = RunRecord.from_json(json.loads(capsys.readouterr().out))
    assert record.plan.rules[0].group == "concatenated"
    assert record.plan.rules[0].options["decoder"] == "2,4"
    assert {target.group for target in record.targets} == {"Key, layers 0 to 1"}
    assert set(record.targets[0].history) >= {"epoch", "loss", "rmse"}
    assert not record.targets[1].history


def plan_of(*arguments: str) -> Plan:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return read_plan(parser.parse_args(["gpt2", "--method", "svd", "--keep", "0.5", *arguments]))


def test_a_keep_for_some_of_it_is_a_further_rule() -> None:
    found = plan_of(
        *("--include", "query", "--include", "key", "--allocation", "manual"),
        *("--keep-of", "key@0-3=0.4", "--keep-of", "*k_proj=.3", "--exclude", "@9"),
        *("--inputs", "compressed", "--orientation", "rows"),
    )
    told = [(rule.pattern, rule.keep, rule.method) for rule in found.rules]
    assert told == [
        ("query", 0.5, "svd"),
        ("key", 0.5, "svd"),
        ("key@0-3", 0.4, "svd"),
        ("*k_proj", 0.3, "svd"),
        ("@9", 1.0, "dense"),
    ]
    assert {rule.allocation for rule in found.rules} == {"uniform"}
    assert [rule.inputs for rule in found.rules] == ["compressed"] * 4 + ["original"]


def test_targets_that_share_bytes_are_one_rule() -> None:
    found = plan_of("--include", "query", "--include", "key", "--allocation", "automatic")
    assert [(rule.pattern, rule.allocation) for rule in found.rules] == [("query,key", "automatic")]
    found = plan_of("--allocation", "by_family", "--keep-of", "query=0.8")
    assert [rule.allocation for rule in found.rules] == ["by_family"] * 2


def test_a_quick_run_chooses_by_fewer_tokens() -> None:
    assert plan_of("--quick").calibration.tokens < plan_of().calibration.tokens


def test_bytes_are_shared_out_and_layers_compressed_in_turn(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = ["--method", "two_sided_svd", "--keep", "0.6", "--exclude", "embedding"]
    more = ["--allocation", "automatic", "--inputs", "compressed", "--calibration-tokens", "200"]
    assert main(["run", folder, *plan, *more, *SMALL, "--json"]) == 0
    printed = capsys.readouterr()
    assert "Allocated " in printed.err and " by estimated loss: +" in printed.err
    record = RunRecord.from_json(json.loads(printed.out))
    assert record.plan.rules[0].inputs == "compressed"
    words = "everything (allocated by loss, sequential), embedding left dense"
    assert describe(record) == f"Two-sided SVD 0.6 · {words}"


def test_several_seeds_tell_their_spread(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan = ["--method", "random_control", "--keep", "0.4", "--include", "key", "--seeds", "2"]
    assert main(["run", folder, *plan, *SMALL, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["plan"]["seed"] for run in found["runs"]] == [0, 1]
    assert found["spread"]["perplexity"]["deviation"] > 0
    assert main(["run", folder, *plan, *SMALL]) == 0
    assert "standard deviation over 2 seeds" in capsys.readouterr().out


def test_a_study_writes_its_tables(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--option", "include=key", "--tokens", "64", "--context", "32"]
    assert main(["study", "sensitivity", folder, *options, "--out", str(tmp_path)]) == 0
    assert "| module |" in capsys.readouterr().out
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {f"sensitivity.{ending}" for ending in ("json", "jsonl", "csv", "md", "html")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study", "sensitivty"], "sensitivity"),
        (["study", "sensitivity", "--option", "methods"], "KEY=VALUE"),
        (["reproduce", "p3"], "p2"),
        (["reproduce", "sensitivity"], "p1"),
        (["run", "--plan", "/"], "cannot be read"),
        ([*SEEDED, "--seed", "2147483647"], "seed must be"),
        ([*SEEDED, "--option", "seed=3"], "--option seed= fixes it"),
        ([*SEEDED, "--save", "somewhere"], "one model"),
        (["run", "gpt2", "--method", "svd", "--keep", "0.5", "--preset", "P1"], "no presets"),
    ],
)
def test_mistakes_of_the_new_commands_are_sentences(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "method", [["int8"], ["two_sided_svd", "--option", "storage=pivoted"], ["svd", "--keep", "0.7"]]
)
def test_any_method_is_timed_beside_the_dense_model(
    method: list[str],
    folder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speed, "PREFILL_TOKENS", 8)
    monkeypatch.setattr(speed, "DECODED_TOKENS", 2)
    plan = ["--model", folder, "--method", *method, "--include", "*layers*", "--repeat", "3"]
    assert main(["bench", "speed", *plan, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["what"] for row in found["speed"]] == ["prefill", "decode"]
    assert all(row["speedup"] > 0 for row in found["speed"])
