"""Backward compatibility: what version 0.1.0 saved is read by this one.

`fixtures/version_0_1_0` was written by the code of commit c746597 with tiny models: a run, a link
and a key for every method and storage, a checkpoint of each storage form with its logits, cached
statistics, the flags of the command line, and what the endpoints took and answered.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from gradio_client import Client
from safetensors.torch import load_file

from compress_lib.cli.parser import make_parser
from compress_lib.compression.calibration.cache import StatisticsCache
from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.data.calibration_text import Calibration
from compress_lib.matrices import FORMS, CompressedMatrix
from compress_lib.methods import METHODS, build_method
from compress_lib.models.checkpoint import load_compressed
from compress_lib.models.surgery import read_weight
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import from_query, to_query
from compress_lib.results.records import RunRecord
from compress_lib.results.store import Store
from compress_lib.ui.app import Page
from compress_lib.utils.files import home
from tests.support.page import PLAN, TinyEngine
from tests.support.tiny import tiny_model

FOLDER = Path(__file__).parent / "fixtures" / "version_0_1_0"
RUNS: dict[str, dict[str, Any]] = json.loads((FOLDER / "runs.json").read_text(encoding="utf-8"))
PLANS: list[dict[str, Any]] = json.loads((FOLDER / "plans.json").read_text(encoding="utf-8"))
API: dict[str, Any] = json.loads((FOLDER / "api.json").read_text(encoding="utf-8"))
CHECKPOINTS = sorted(folder.parent.name for folder in FOLDER.glob("checkpoints/*/config.json"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A copy of the store, because opening a database may write to it."""
    path = tmp_path_factory.mktemp("store") / "runs.sqlite"
    shutil.copy(FOLDER / "runs.sqlite", path)
    return Store(path)


@pytest.mark.parametrize("label", RUNS)
def test_a_stored_run_is_found_by_its_plan_and_read(label: str, store: Store) -> None:
    run = RUNS[label]
    record = store.find(run["record"])
    assert record is not None
    assert record.key == run["record"]
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    stored = record.to_json()["plan"]
    assert Plan.from_json(stored).key == run["record"]


def test_the_store_lists_all_of_its_runs(store: Store) -> None:
    assert {record.key for record in store.runs()} == {run["record"] for run in RUNS.values()}


@pytest.mark.parametrize("saved", [*RUNS.values(), *PLANS], ids=lambda saved: saved["key"])
def test_plans_and_links_keep_their_keys(saved: dict[str, Any]) -> None:
    plan = Plan.from_json(saved["plan"])
    assert plan.key == saved["key"]
    linked = from_query(saved["query"])
    assert linked.rules == plan.rules
    assert from_query(to_query(plan)) == linked
    # A link leaves out pasted text and the context of the calibration.
    if plan.evaluation.text is None and plan.calibration.context == 512:
        assert linked.key == saved["key"]
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_every_option_of_every_method_is_among_the_saved_plans() -> None:
    used: dict[str, set[str]] = {}
    for saved in PLANS:
        for rule in saved["plan"]["rules"]:
            used.setdefault(rule["method"], set()).update(rule["options"])
    assert {"autoencoder", "svd", "int4", "tiered", "mixed"} <= used.keys() <= METHODS.keys()
    assert sum(map(len, used.values())) > 90


@pytest.fixture
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A saved model; all of one architecture have the same tokenizer, which is kept once."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(FOLDER / "checkpoints" / request.param, folder)
    shutil.copytree(FOLDER / "checkpoints" / "tokenizer-llama", folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, indirect=True)
def test_a_saved_checkpoint_computes_what_it_did(checkpoint: Path) -> None:
    model = load_compressed(checkpoint, device="cpu")
    with torch.inference_mode():
        logits = model.module(torch.arange(8)[None] + 4).logits
    expected = load_file(checkpoint / "logits.safetensors")["logits"]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_the_saved_checkpoints_hold_every_storage_form() -> None:
    text = "".join(
        (FOLDER / "checkpoints" / name / "config.json").read_text(encoding="utf-8")
        for name in CHECKPOINTS
    )
    saved = {word.split('"')[0] for word in text.split('"form": "')[1:]}
    assert len(saved) == 17
    assert saved <= FORMS.keys()
    assert all(issubclass(FORMS[form], CompressedMatrix) for form in saved)


def test_cached_statistics_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDER / "statistics", home() / "statistics")
    model = tiny_model("llama")
    # Weights whose norms, which name the cache, are exact whatever the order of the sums.
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.fill_(0.5)
    made = torch.Generator().manual_seed(5)
    text = Calibration.from_blocks(tuple(torch.randint(300, (24,), generator=made).split(12)))
    name = "model.layers.0.self_attn.k_proj"
    needs = {
        name: {"second_moment", "mean", "output_gradient", "fisher"},
        "model.embed_tokens": {"lookup_gradient"},
    }

    def refuse(*given: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(StatisticsCache, "add", refuse)
    statistics = collect_statistics(model, needs, text)[name]
    monkeypatch.setattr("compress_lib.compression.calibration.cache._write", refuse)
    site = next(site for site in model.sites if site.target.name == name)
    weight = read_weight(model.module, site, model.dtype)
    for method in ("svd", "two_sided_svd", "output_pca", "fisher_svd"):
        assert build_method(method, {}).curve(weight, statistics)


def _flags(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, set[str]]]:
    yield path, {flag for action in parser._actions for flag in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from _flags(command, f"{path} {name}".strip())


def test_every_flag_of_the_command_line_is_still_taken() -> None:
    now = dict(_flags(make_parser()))
    before = json.loads((FOLDER / "flags.json").read_text(encoding="utf-8"))
    for command, flags in before.items():
        assert {flag for flag in flags if flag.startswith("-")} <= now[command], command


def _shape(value: Any) -> Any:
    """The names and types of a JSON value: of a list, those of its first entry."""
    if isinstance(value, dict):
        return {name: _shape(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__


def _missing(before: Any, now: Any, path: str = "") -> list[str]:
    """Where a JSON value lacks names that an earlier one had."""
    if isinstance(before, dict) and isinstance(now, dict):
        lost = [f"{path}.{name}" for name in before if name not in now]
        kept = [name for name in before if name in now]
        return lost + [one for n in kept for one in _missing(before[n], now[n], f"{path}.{n}")]
    if isinstance(before, list) and isinstance(now, list) and before and now:
        return _missing(before[0], now[0], f"{path}[]")
    return []


def test_the_endpoints_take_and_answer_what_they_did(engine: TinyEngine) -> None:
    blocks = Page(engine).build()
    blocks.queue(api_open=False)
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, server_port=None)
    client = Client(address, verbose=False)
    try:
        described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
        for name, parameters in API["parameters"].items():
            taken = [parameter["parameter_name"] for parameter in described[name]["parameters"]]
            assert taken == parameters
        first = client.predict(PLAN.to_json(), api_name="/compress")
        milder = json.loads(json.dumps(PLAN.to_json()).replace("0.5", "0.6"))
        second = client.predict(milder, api_name="/compress")
        answers = {
            "/models": client.predict(api_name="/models"),
            "/estimate": client.predict(PLAN.to_json(), api_name="/estimate"),
            "/compress": first,
            "/landmarks": client.predict(api_name="/landmarks"),
            "/compare": client.predict(first["key"], second["key"], api_name="/compare"),
        }
    finally:
        blocks.close()
    for name, answer in answers.items():
        assert not _missing(API["answers"][name], _shape(answer)), name
