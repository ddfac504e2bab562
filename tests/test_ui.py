"""The page's handlers as plain functions, with a tiny model in place of the real one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from compress_lib.errors import CompressionError
from compress_lib.methods import METHODS, build_method
from compress_lib.metrics import ERRORS
from compress_lib.models import LanguageModel
from compress_lib.plan import DENSE, Generation, Plan, Rule, TextSpec
from compress_lib.progress import Progress
from compress_lib.results import RunRecord
from compress_lib.store import Store
from compress_lib.ui import controls, handlers, matrix_panel, preview, render, texts
from compress_lib.ui.engine import Engine
from compress_lib.ui.option_groups import option_groups
from tests.tiny import tiny_model

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
        self._targets[model] = tuple(self.model.targets)
        return replace(self.model, id=model)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TinyEngine]:
    made = TinyEngine(Store(tmp_path / "runs.sqlite"), limits={"queued_jobs": 3})
    made.model = tiny_model()
    yield made
    if made.gate is not None:
        made.gate.set()
    made._thread.shutdown(wait=True, cancel_futures=True)


def form(plan: Plan = PLAN, **changes: Any) -> list[Any]:
    """The form's values for a plan, some of them changed."""
    filled = controls.write(plan)
    return controls.flat(controls.Form({**filled.values, **changes}, filled.options))


def finish(engine: Engine, given: list[Any]) -> tuple[list[handlers.Update], RunRecord]:
    updates = list(handlers.run(engine, given))
    record = updates[-1].finished
    assert record is not None
    return updates, record


def test_the_page_is_built_without_torch() -> None:
    code = (
        "from compress_lib.ui.app import Page; Page().build(); import sys;"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        Plan(),
        replace(PLAN, rules=(Rule(pattern="*", method="svd", keep=0.3),)),
        replace(
            PLAN,
            rules=(
                Rule(pattern="query,key", method="row_normalized_svd", keep=0.4),
                Rule(pattern="query@0-3", method="svd", keep=0.7),
                Rule(pattern="@0", method=DENSE),
            ),
        ),
        replace(
            PLAN,
            rules=(Rule(pattern="embedding", method="autoencoder", options={"epochs": 3}),),
        ),
        replace(PLAN, rules=(Rule(pattern="*down_proj", method="svd", keep=0.25),)),
        replace(
            PLAN,
            rules=(
                Rule(pattern="key", group="concatenated", window=4, orientation="columns"),
                Rule(pattern="key@0", method=DENSE),
            ),
        ),
        replace(PLAN, rules=(Rule(pattern="query@0-3", group="concatenated"),)),
        replace(PLAN, rules=(Rule(pattern="embedding", tie="input", keep=1 / 3),)),
        replace(
            PLAN,
            rules=(
                Rule(pattern="key", allocation="automatic", inputs="compressed"),
                Rule(pattern="key@0", keep=0.7, allocation="automatic", inputs="compressed"),
            ),
        ),
    ],
)
def test_the_form_and_a_plan_say_the_same(plan: Plan) -> None:
    back = controls.read(controls.Form.of(controls.flat(controls.write(plan))))
    assert [rule.canonical(0) for rule in back.rules] == [rule.canonical(0) for rule in plan.rules]
    assert replace(back, rules=plan.rules) == plan
    assert handlers.first_plan(plan.to_query()) == (back, None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": "/etc"}, "neither in the list nor a Hub id"),
        ({"model": "../../etc/passwd"}, "neither in the list nor a Hub id"),
        ({"model": "weights.gguf"}, "neither in the list nor a Hub id"),
        ({"model": "owner/weights.gguf"}, "neither in the list nor a Hub id"),
        ({"model": "compress_lib/ui"}, "neither in the list nor a Hub id"),
        ({"model": "compress_lib/.."}, "neither in the list nor a Hub id"),
        ({"model": "owner/" + "x" * 5000}, "neither in the list nor a Hub id"),
        ({"model": "owner/\0"}, "neither in the list nor a Hub id"),
        ({"model": None}, "neither in the list nor a Hub id"),
        ({"method": "svdd"}, "Did you mean 'svd'"),
        ({"keep": 0}, "keep must be above 0"),
        ({"keep": float("nan")}, "keep must be a number"),
        ({"keep": "lots"}, "keep must be a number"),
        ({"families": []}, "Choose something to compress"),
        ({"families": "embedding; rm -rf"}, None),
        ({"overrides": [["query", "svd", "2"]]}, "Keep in the line 'query'"),
        ({"overrides": [["query", "nope", "0.5"]]}, "Unknown method"),
        ({"overrides": [["query@x", "svd", "0.5"]]}, None),
        ({"corpus": "/etc/passwd"}, "not a text of this page"),
        ({"calibration": "own"}, "not a text of this page"),
        ({"corpus": "own", "own_text": "  "}, "text of your own is empty"),
        ({"corpus": "own", "own_text": "x" * 200_001}, "at most 200,000"),
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "x" * 2001}, "2,001 characters"),
        ({"tokens": 10**9}, "at most 16,384"),
        ({"tokens": None}, "Tokens must be a number"),
        ({"context": 0}, "context must be"),
        ({"new_tokens": 10_000}, "at most 256"),
        ({"temperature": -1}, "temperature must be"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"group": "both"}, "Unknown group"),
        ({"group": None}, "Unknown group"),
        ({"window": -1}, "window must be"),
        ({"window": None}, "window must be"),
        ({"orientation": "<b>"}, "Unknown orientation"),
        ({"tie": "output"}, "Unknown tie"),
        ({"allocation": "manual"}, "Unknown allocation"),
        ({"inputs": None}, "Unknown inputs"),
        ({"inputs": "compressed", "group": "concatenated"}, "use group=separated"),
    ],
)
def test_what_a_browser_sends_is_checked(
    engine: TinyEngine,
    changes: dict[str, Any],
    complaint: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[1])
    given = form(**changes)
    if complaint is None:
        preview.describe_plan(engine, controls.read(controls.Form.of(given)))
        return
    with pytest.raises(CompressionError, match=complaint):
        list(handlers.run(engine, given))
    assert engine.store.runs() == []


def test_a_run_tells_how_it_goes_and_ends_with_a_record(engine: TinyEngine) -> None:
    updates, record = finish(engine, form())
    assert record.targets[0].method == "svd"
    logs = [update.log for update in updates if update.log]
    assert "model.embed_tokens" in logs[-1]
    assert "Block 3" in logs[-1]
    assert any(update.writing for update in updates)
    assert handlers.lookup(engine, record.key) == record


def test_a_run_that_was_made_before_is_shown_as_stored(engine: TinyEngine) -> None:
    _, first = finish(engine, form())
    updates, again = finish(engine, form())
    assert again == first
    assert texts.STORED in str(updates[-1].status)


def test_a_refusal_during_the_run_reaches_the_person(engine: TinyEngine) -> None:
    with pytest.raises(CompressionError, match="selects nothing"):
        list(handlers.run(engine, form(families=["head"])))


def test_a_bug_is_not_swallowed(engine: TinyEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("compress_lib.job.allocate", broken)
    with pytest.raises(ZeroDivisionError):
        list(handlers.run(engine, form()))


def test_closing_the_page_stops_the_job_and_frees_the_engine(engine: TinyEngine) -> None:
    engine.gate = threading.Event()
    watching = handlers.run(engine, form())
    next(watching)
    next(watching)
    watching.close()
    # The job was stopped while it was held; the next one gets through.
    engine.gate.set()
    _, record = finish(engine, form())
    assert record.key
    assert engine.store.runs() == [record]


def test_jobs_wait_in_a_line_that_has_an_end(engine: TinyEngine) -> None:
    engine.gate = threading.Event()
    jobs = [engine.submit(replace(PLAN, seed=seed)) for seed in range(3)]
    assert [engine.ahead(job) for job in jobs] == [0, 1, 2]
    with pytest.raises(CompressionError, match="Too many runs are waiting"):
        engine.submit(replace(PLAN, seed=9))
    engine.stop(jobs[1])
    assert engine.ahead(jobs[2]) == 1
    engine.gate.set()
    assert jobs[2].future is not None
    jobs[2].future.result(timeout=60)
    assert {record.plan["seed"] for record in engine.store.runs()} == {0, 2}


def test_the_preview_says_rank_bytes_and_break_even(engine: TinyEngine) -> None:
    engine.load("owner/name", None, "cpu", lambda fraction, message: None)
    plan = replace(PLAN, model="owner/name")
    found = preview.describe_plan(engine, plan)
    assert "rank 14 of at most 32" in found
    assert f"Break-even rank {320 * 32 // 352}" in found
    tiny = replace(plan, rules=(Rule(pattern="query", method="svd", keep=0.01),))
    assert "below rank 1" in preview.describe_plan(engine, tiny)
    unknown = preview.describe_plan(engine, replace(PLAN, model="never/seen"))
    assert texts.UNKNOWN_SHAPES in unknown


def test_the_preview_counts_matrices_and_groups() -> None:
    def described(**changes: Any) -> str:
        rule = Rule(pattern="key", method="svd", keep=0.5, group="concatenated")
        return preview.describe_plan(Engine(), Plan(rules=(replace(rule, **changes),)))

    assert "30 matrices in 1 group, rank" in described()
    assert "30 matrices in 3 groups, rank" in described(window=10)
    assert "30 matrices, rank" in described(group="separated")
    # Stacked rows are many, so that columns leave the larger rank.
    assert described(orientation="rows") != described(orientation="columns")
    grown = described(pattern="embedding", tie="input")
    assert "keeps its own matrix of 56.6 MB" in grown
    assert "whole model 110.5%" in grown


def test_the_preview_of_bytes_that_are_shared_out_knows_no_ranks() -> None:
    def described(**changes: Any) -> str:
        rule = Rule(pattern="key", method="two_sided_svd", keep=0.5, allocation="automatic")
        return preview.describe_plan(Engine(), Plan(rules=(replace(rule, **changes),)))

    assert "30 matrices, shared out by estimated loss: " in described()
    assert "1 matrix, shared out by estimated loss: " in described(pattern="key@0")
    assert "rank" not in described() + described(pattern="key@0")
    assert "rank" in described(allocation="uniform")


def test_the_form_shares_bytes_out_and_goes_layer_by_layer(engine: TinyEngine) -> None:
    rule = Rule(pattern="key,ffn_out", method="svd", allocation="by_family", inputs="compressed")
    _, record = finish(engine, form(replace(PLAN, rules=(rule,))))
    assert record.plan["rules"][0]["allocation"] == "by_family"
    assert [target.layer for target in record.targets] in ([0, 1], [0, 0, 1, 1])


def test_the_words_of_a_rule_have_a_label_each() -> None:
    from compress_lib.rule import WORDS

    for word, allowed in WORDS.items():
        assert set(getattr(texts, f"{word.upper()}_CHOICES")) == set(allowed)


def test_the_default_models_matrices_are_known_before_it_is_loaded() -> None:
    found = preview.describe_plan(Engine(), Plan(rules=(Rule(pattern="*", keep=0.5),)))
    assert "211 matrices" in found


def test_untrusted_text_is_escaped(engine: TinyEngine) -> None:
    evil = "<script>alert(1)</script>"
    _, record = finish(engine, form(prompt=evil))
    assert "<script>" not in render.both_texts(record.text)
    assert "<script>" not in render.writing(evil, evil, evil)
    assert "<script>" not in render.status(evil, 0.5)
    named = replace(record, model=replace(record.model, id=evil))
    assert "<script>" not in render.headline(named, evil)
    assert "<script>" not in render.provenance([named])
    broken = controls.read(controls.Form.of(form(overrides=[[evil, "svd", "0.5"]])))
    assert "<script>" not in preview.describe_plan(Engine(), broken)


def test_a_link_fills_the_form_and_a_broken_one_says_so() -> None:
    plan, complaint = handlers.first_plan(PLAN.to_query())
    assert complaint is None
    assert plan.rules == PLAN.rules
    plan, complaint = handlers.first_plan("rule=embedding~nope~0.5")
    assert plan == Plan()
    assert complaint is not None
    assert "Unknown method" in complaint
    plan, complaint = handlers.first_plan("rule=query~svd~0.5~.group=concatenated&rule=key~svd~0.5")
    assert complaint == texts.MORE_THAN_THE_FORM
    assert [rule.group for rule in plan.rules] == ["concatenated"] * 2
    plan, complaint = handlers.first_plan("model=/etc&rule=embedding~svd~0.5")
    assert plan == Plan()
    assert complaint is not None


def test_only_runs_measured_alike_share_a_chart(engine: TinyEngine) -> None:
    _, first = finish(engine, form())
    _, longer = finish(engine, form(tokens=400))
    _, other = finish(engine, form(seed=3))
    assert handlers.comparable([first, longer, other], first) == [first, other]


def test_a_session_sees_only_its_own_runs(engine: TinyEngine) -> None:
    _, mine = finish(engine, form())
    finish(engine, form(seed=3))
    assert handlers.own_runs(engine, [mine.key]) == [mine]
    assert handlers.own_runs(engine, ["no such key", 7, None]) == []
    assert handlers.own_runs(engine, "not a list") == []


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].presets])
def test_a_methods_presets_are_buttons_that_set_all_its_options(method: str) -> None:
    with gr.Blocks():
        _, fields, settings = option_groups(controls.write(Plan()))
    assert len(fields) == len(controls.option_fields())
    options = METHODS[method].options()
    first = [name for name, _ in controls.option_fields()].index(method)
    own = [s for s in settings if s.fields == fields[first : first + len(options)]]
    assert [s.button.value for s in own] == [*METHODS[method].presets, texts.DEFAULTS]
    for shown, chosen in zip(own, [*METHODS[method].presets.values(), {}], strict=True):
        values = dict(zip([option.name for option in options], shown.values, strict=True))
        assert values == {option.name: option.default for option in options} | dict(chosen)
        assert build_method(method, values)


def test_a_trained_runs_weights_are_shown_layer_by_layer(engine: TinyEngine) -> None:
    rule = Rule(
        pattern="key,value",
        method="autoencoder",
        options={"epochs": 2, "check_epochs": 1, "keep_best": "loss", "decoder": "4"},
        group="concatenated",
    )
    _, record = finish(engine, form(replace(PLAN, rules=(rule,))))
    assert all(target.decode_cost > 0 for target in record.targets)
    shown = matrix_panel.show(record)
    assert "Decoding costs" in shown["decoding"]["value"]
    assert shown["layers"]["visible"] and shown["training"]["visible"]
    names = [name for _, name in shown["measure"]["choices"]]
    assert names == list(ERRORS)
    assert all(matrix_panel.errors(record, name) for name in names)
    groups = [label for label, _ in shown["trained"]["choices"]]
    assert groups == ["Key, layers 0 to 1", "Value, layers 0 to 1"]
    assert matrix_panel.curves(record, shown["trained"]["choices"][1][1]) is not None
    assert len(shown["matrices"][0]) == len(texts.MATRIX_HEADERS)
    for wrong in ("<b>", None, 7, ["rmse"]):
        assert matrix_panel.errors(record, wrong) is None
        assert matrix_panel.curves(record, wrong) is None
    assert matrix_panel.errors(None, "rmse") is None


def test_a_run_that_trained_nothing_hides_its_curves(engine: TinyEngine) -> None:
    _, record = finish(engine, form())
    shown = matrix_panel.show(record)
    assert [shown[name]["visible"] for name in ("decoding", "layers", "training")] == [False] * 3
    assert shown["curves"] is None and shown["errors"] is None


@pytest.mark.parametrize(("tie", "multiplies"), [("both", True), ("input", False)])
def test_a_table_that_is_only_looked_up_costs_no_decoding(
    engine: TinyEngine, tie: str, multiplies: bool
) -> None:
    options: dict[str, Any] = {"epochs": 1, "keep_best": "loss", "decoder": "4"}
    rule = Rule(pattern="embedding", method="autoencoder", options=options, tie=tie)
    _, record = finish(engine, form(replace(PLAN, rules=(rule,))))
    assert (record.targets[0].decode_cost > 0) == multiplies


def test_csv_cells_cannot_be_formulas(engine: TinyEngine) -> None:
    _, record = finish(engine, form())
    evil = replace(record, model=replace(record.model, id="=HYPERLINK(1)"))
    assert "'=HYPERLINK(1)" in handlers.to_csv([evil])
    assert record.key in handlers.to_csv([record])


def test_a_sweep_fills_the_map_of_modules(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_panel

    seen = list(studies_panel.sweep(engine, "tiny", "svd", 0.5))
    records = [record for _, record in seen if record is not None]
    assert len(records[-1].rows) == len(engine.targets("tiny") or ())
    assert texts.SWEEP_FINISHED in seen[-1][0]
    filled = studies_panel._filled(records[-1])
    assert filled[2] is not None and "What hurts most" in filled[0]
    assert studies_panel.redraw(records[-1], "kl") is not None
    for make in (studies_panel.csv_file, studies_panel.json_file):
        assert json.loads(make(records[-1]))["name"].startswith("sensitivity.")


def test_a_sweep_refuses_what_a_run_would_refuse(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_panel

    with pytest.raises(CompressionError, match="svd"):
        list(studies_panel.sweep(engine, "tiny", "svdd", 0.5))
    with pytest.raises(CompressionError, match="keep"):
        list(studies_panel.sweep(engine, "tiny", "svd", 7))


def test_closing_a_sweep_stops_it_and_keeps_what_was_measured(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_panel

    updates = studies_panel.sweep(engine, "tiny", "svd", 0.5)
    next(updates)
    updates.close()
    assert engine.ahead(engine.submit(PLAN)) <= 1


def test_without_studies_the_tab_says_so() -> None:
    from compress_lib.ui import studies_panel

    assert texts.NO_STUDY in studies_panel._said(None)
    assert studies_panel._table(None)["data"] == []
