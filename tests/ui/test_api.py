"""The endpoints for programs: what they answer, what they refuse, and through a real client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from compress_lib.models.catalogue import CATALOGUE
from compress_lib.plan.rule import Rule
from compress_lib.results.landmarks import load_landmarks
from compress_lib.results.records import RunRecord
from compress_lib.ui.api import endpoints as api
from compress_lib.ui.api.endpoints import Endpoints
from compress_lib.ui.api.types import Record
from compress_lib.ui.app import Page
from compress_lib.utils.progress import Event
from tests.cli.test_documents import code
from tests.support.compressed import run_record
from tests.support.page import PLAN, TinyEngine, finish, hold_writing, read_form

ENDPOINTS = {"/models", "/landmarks", "/estimate", "/compress", "/compare"}


@pytest.fixture
def endpoints(engine: TinyEngine) -> Endpoints:
    return Endpoints(engine)


@pytest.fixture
def client(engine: TinyEngine) -> Iterator[Client]:
    blocks = Page(engine).build()
    blocks.queue(api_open=False)
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, server_port=None)
    yield Client(address, verbose=False)
    blocks.close()


def test_what_is_on_offer(endpoints: Endpoints) -> None:
    assert [model["name"] for model in endpoints.models()] == list(CATALOGUE)
    assert [run["key"] for run in endpoints.landmarks()] == [r.key for r in load_landmarks()]
    assert json.dumps(endpoints.landmarks())


def test_an_estimate_adds_up(endpoints: Endpoints) -> None:
    found = endpoints.estimate({"rules": [{"pattern": "query,key", "method": "svd", "keep": 0.5}]})
    saved = sum(m["bytes_before"] - m["bytes_after"] for m in found["matrices"])
    assert found["bytes_before"] - found["bytes_after"] == saved > 0
    assert len(found["matrices"]) == 60


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        ({"rules": [{"method": "svdd"}]}, "Did you mean 'svd'"),
        ({"nonsense": 1}, "nonsense"),
        ([1, 2], "not a plan"),
        ({"model": "/etc/passwd"}, "neither in the list nor a Hub ID"),
        ({"evaluation": {"corpus": "/etc/passwd"}}, "not a text of this page"),
        ({"evaluation": {"tokens": 10**9}}, "at most 16,384"),
        ({"calibration": {"tokens": 10**9}}, "at most 65,536"),
        (
            {
                "rules": [
                    {"pattern": "query", "method": "int4", "keep": 1.0, "options": {"group": 32}},
                    {"pattern": "key", "method": "int4", "keep": 1.0, "options": {"group": 64}},
                ]
            },
            "compress-lab run --plan",
        ),
        ({"prompts": ["The tide", "The moon"]}, "one prompt"),
        ({"calibration": {"context": 77}}, "compress-lab run --plan"),
        ({"rules": [{"pattern": "x" * 30_000}]}, "at most 20,000 characters"),
        ({"rules": [{"pattern": "query@" + "9" * 5000}]}, "number or a range"),
    ],
)
def test_a_plan_is_held_to_the_limits_of_the_page(
    endpoints: Endpoints, plan: Any, complaint: str
) -> None:
    for function in (endpoints.estimate, partial(compress, endpoints)):
        with pytest.raises(gr.Error, match=complaint):
            function(plan)


def compress(endpoints: Endpoints, plan: Any) -> Record:
    """The last thing that a run says of itself."""
    *_, record = endpoints.compress(plan)
    return cast(Record, record)


def test_a_run_and_its_comparison(endpoints: Endpoints) -> None:
    first = compress(endpoints, PLAN.to_json())
    milder = replace(PLAN, rules=(Rule(pattern="embedding", method="svd", keep=0.9),))
    second = compress(endpoints, milder.to_json())
    assert RunRecord.from_json(first).perplexity.compressed > 0
    # What a record says was run can be asked for again.
    assert compress(endpoints, {**first["plan"], "revision": None})["key"] == first["key"]
    found = endpoints.compare(first["key"], second["key"])
    assert found["bytes_difference"] > 0
    assert found["perplexity_ratio_interval"] is not None
    low, high = found["perplexity_ratio_interval"]
    assert low <= found["perplexity_ratio"] <= high
    with pytest.raises(gr.Error, match="no run with the key"):
        endpoints.compare("<b>", first["key"])


def test_a_client_sees_the_endpoints_and_no_other(client: Client) -> None:
    known = client.view_api(return_format="dict")
    assert set(known["named_endpoints"]) == ENDPOINTS
    assert not known["unnamed_endpoints"]
    # What comes back is told field by field.
    told = {name: one["returns"][0]["type"] for name, one in known["named_endpoints"].items()}
    assert told["/estimate"]["properties"]["matrices"]["items"]["properties"]["rank"]
    standing, record = told["/compress"]["anyOf"]
    assert set(standing["properties"]) == {"status", "fraction"}
    assert set(record["properties"]) == set(run_record().to_json())
    assert told["/models"]["items"]["properties"]["parameters"] == {"type": "integer"}
    summary = told["/landmarks"]["items"]
    assert told["/compare"]["properties"]["first"] == summary
    found = client.predict(PLAN.to_json(), api_name="/compress")
    assert RunRecord.from_json(found).targets
    assert client.predict(api_name="/models")[0]["name"] == next(iter(CATALOGUE))
    with pytest.raises(AppError, match="Unknown method"):
        client.predict({"rules": [{"method": "nope"}]}, api_name="/estimate")


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds, and fail where it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_run_never_says_that_it_goes_back() -> None:
    standing = api._standing(Event(0.6, "Compressing"), 0.0)
    again = api._standing(Event(0.3, "Reading"), standing["fraction"])
    assert again == {"status": "Reading", "fraction": 0.6}


def test_a_client_hears_how_far_its_run_is_and_stops_it(
    client: Client, engine: TinyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = hold_writing(monkeypatch)
    # Statistics are gathered first: parts of a run that are foretold only roughly.
    learned = Rule(pattern="ffn_in", method="output_pca", keep=0.5)
    plan = replace(PLAN, rules=(learned,), calibration=replace(PLAN.calibration, tokens=256))
    asked = client.submit(plan.to_json(), api_name="/compress")
    wait_for(lambda: any(one["status"] == "held" for one in asked.outputs()))
    said = [one["fraction"] for one in asked.outputs()]
    assert said == sorted(said)
    waiting = Client(client.src, verbose=False).submit(
        replace(PLAN, seed=5).to_json(), api_name="/compress"
    )
    wait_for(lambda: bool(waiting.outputs()))
    assert "1 ahead" in waiting.outputs()[-1]["status"]
    assert asked.cancel()
    wait_for(lambda: "ahead" not in waiting.outputs()[-1]["status"])
    gate.set()
    # Who waited is next, and the run that was stopped is in no store.
    assert waiting.result(timeout=60)["plan"]["seed"] == 5
    assert [run.plan.seed for run in engine.runs.store.runs()] == [5]


def test_the_example_of_the_readme_runs(
    client: Client,
    engine: TinyEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Landmarks of the tiny model in the place of those of the default one.
    _, measured = finish(engine, read_form(keep=0.9))
    monkeypatch.setattr(api, "load_landmarks", lambda: (measured,))
    source = code("python", "gradio_client").replace("http://127.0.0.1:7860", client.src)
    # It reads 128 tokens at most.
    evaluation = json.dumps(PLAN.to_json()["evaluation"]).replace("null", "None")
    exec(source.replace("plan = {", f"plan = {{'evaluation': {evaluation}, "), {})
    said = capsys.readouterr().out
    assert "× the baseline's perplexity" in said
