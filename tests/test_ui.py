"""The page's handlers as plain functions, with a tiny model in place of the real one."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from compress_lib.errors import CompressionError
from compress_lib.landmarks import landmarks_by_name
from compress_lib.metrics import ERRORS
from compress_lib.plan import Plan, Rule
from compress_lib.progress import Look
from compress_lib.results import WrittenToken
from compress_lib.ui import (
    controls,
    handlers,
    lenient,
    preview,
    render,
    telling,
    texts,
    written,
)
from compress_lib.ui.app import Page
from compress_lib.ui.engine import Engine
from compress_lib.ui.following import JobStatus
from compress_lib.ui.headline import headline
from compress_lib.ui.jobs import ProgressNote
from compress_lib.ui.running import Runs, Session
from compress_lib.ui.shown import Shown, clicked, run_choices
from compress_lib.ui.tabs.matrices import MatricesTab, curves, errors, spectrum
from tests.page import PLAN, TinyEngine, finish, form


def test_the_page_is_built_without_torch() -> None:
    code = (
        "from compress_lib.ui.app import Page; Page().build(); import sys;"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
    with pytest.raises(CompressionError, match="no output head of its own"):
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


def test_the_default_models_matrices_are_known_before_it_is_loaded() -> None:
    found = preview.describe_plan(Engine(), Plan(rules=(Rule(pattern="*", keep=0.5),)))
    assert "211 matrices" in found


def test_tokens_are_shaded_by_what_the_other_model_thought(engine: TinyEngine) -> None:
    _, record = finish(engine, form())
    sure = WrittenToken(" tide", 0.25, 1.0)
    doubtful = WrittenToken(" rose", 0.25, 1e-9)
    text = replace(
        record.text[0],
        baseline_tokens=(sure, doubtful),
        compressed_tokens=(sure, sure),
        first_divergence=1,
    )
    shown = written.both_texts([text])
    assert '--q:0.00" title="the other model: 100 %, the writer: 25 %"> tide</span>' in shown
    assert '--q:1.00" title="the other model: 1e-07 %, the writer: 25 %"> rose</span>' in shown
    assert shown.index(" tide</span>") < shown.index('class="part"') < shown.index(" rose</span>")
    # √(1 ÷ 10⁻⁶): what is rounded to nothing counts as a millionth.
    assert "by its writer 4.00, by the other model 1,000" in shown
    assert "by its writer 4.00, by the other model 1.00" in shown


def test_untrusted_text_is_escaped(engine: TinyEngine) -> None:
    evil = "<script>alert(1)</script>"
    _, record = finish(engine, form(prompt=evil))
    token = WrittenToken(evil, 0.5, 0.5)
    text = replace(record.text[0], baseline_tokens=(token,), compressed_tokens=())
    assert "<script>" not in written.both_texts([*record.text, text])
    assert "<script>" not in written.writing(evil, evil, evil)
    assert "<script>" not in render.status(evil, 0.5)
    named = replace(record, model=replace(record.model, id=evil))
    assert "<script>" not in headline(named, evil)
    assert "<script>" not in render.provenance([named])
    broken = controls.read(controls.Form.of(form(overrides=[[evil, "svd", "0.5"]])))
    assert "<script>" not in preview.describe_plan(Engine(), broken)


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


def test_a_trained_runs_weights_are_shown_layer_by_layer(engine: TinyEngine) -> None:
    rule = Rule(
        pattern="key,value",
        method="autoencoder",
        options={"epochs": 2, "check_epochs": 1, "keep_best": "loss", "decoder": "4"},
        group="concatenated",
    )
    _, record = finish(engine, form(replace(PLAN, rules=(rule,))))
    assert all(target.decode_cost > 0 for target in record.targets)
    shown = MatricesTab().show(Shown(record))
    assert "Decoding costs" in shown["decoding"]["value"]
    assert shown["layers"]["visible"] and shown["training"]["visible"]
    names = [name for _, name in shown["measure"]["choices"]]
    assert names == list(ERRORS)
    assert all(errors(record, name) for name in names)
    groups = [label for label, _ in shown["trained"]["choices"]]
    assert groups == ["Key, layers 0 to 1", "Value, layers 0 to 1"]
    assert curves(record, shown["trained"]["choices"][1][1]) is not None
    assert len(shown["matrices"][0]) == len(texts.MATRIX_HEADERS)
    for wrong in ("<b>", None, 7, ["rmse"]):
        assert errors(record, wrong) is None
        assert curves(record, wrong) is None
    assert errors(None, "rmse") is None


def test_a_run_that_trained_nothing_hides_its_curves(engine: TinyEngine) -> None:
    _, record = finish(engine, form())
    shown = MatricesTab().show(Shown(record))
    assert [shown[name]["visible"] for name in ("decoding", "layers", "training")] == [False] * 3
    assert shown["curves"] is None and shown["errors"] is None


def test_a_factorized_matrix_shows_where_its_spectrum_was_cut() -> None:
    found = landmarks_by_name()
    several = MatricesTab().show(Shown(found["attention-svd-0.5"]))
    assert several["spectra"]["visible"] and several["ranked"]["visible"]
    names = [name for _, name in several["ranked"]["choices"]]
    assert len(names) == len(found["attention-svd-0.5"].targets)
    assert spectrum(found["attention-svd-0.5"], names[-1]) is not None
    assert spectrum(found["attention-svd-0.5"], "<b>") is None
    for silent in (
        "layers-int8",
        "embedding-autoencoder-0.5",
        "key-output_pca-0.25-concatenated",
        "baseline",
    ):
        assert not MatricesTab().show(Shown(found[silent]))["spectra"]["visible"]


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


def test_what_is_told_beside_the_page_is_no_html(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("gradio.Warning", lambda message, duration: shown.append(message))
    telling.warn("Unknown <img src=x>")
    assert shown == ["Unknown &lt;img src=x&gt;"]
    assert "<form" not in str(telling.refusal("<form>").message)


def test_whatever_is_typed_beside_a_slider_comes_to_us() -> None:
    for made in (lenient.AnySlider(0.02, 1.0, value=0.5), lenient.AnyDropdown(["a"])):
        assert made.preprocess("7") == "7"
        # A session that changes a component gets one of the same class.
        assert type(made)(**made.constructor_args).preprocess("7") == "7"
        assert made.get_block_name() in ("slider", "dropdown")


def test_runs_that_are_called_alike_can_be_told_apart(engine: TinyEngine) -> None:
    _, first = finish(engine, form())
    _, second = finish(engine, form(prompt="The moon"))
    rows = render.run_rows([first, second])
    assert rows[0][0] != rows[1][0]
    assert clicked([first, second], rows[1]) == second
    labels = [label for label, _ in run_choices([first, second])]
    assert len(set(labels)) == 2


def test_a_click_that_finds_no_run_changes_nothing(engine: TinyEngine) -> None:
    page = Page(engine)
    page.build()
    assert page._chosen([], None, None, restore=True) == gr.skip()


def test_one_person_cannot_fill_the_line(engine: TinyEngine) -> None:
    engine.gate = threading.Event()
    engine._limits |= {"queued_jobs": 5, "jobs_each": 2}
    asking = iter("aaabbc")
    engine._asker = lambda: next(asking)
    jobs = [engine.submit(replace(PLAN, seed=seed)) for seed in range(2)]
    with pytest.raises(CompressionError, match="2 of your own jobs"):
        engine.submit(replace(PLAN, seed=2))
    jobs += [engine.submit(replace(PLAN, seed=seed)) for seed in range(3, 6)]
    for job in jobs:
        engine.stop(job)
    engine.gate.set()


def test_a_training_is_drawn_while_it_goes_on(engine: TinyEngine) -> None:
    plan = Plan.from_json(
        {
            **PLAN.to_json(),
            "rules": [
                {
                    "pattern": "key",
                    "method": "autoencoder",
                    "keep": 0.5,
                    "options": {"epochs": 6, "check_epochs": 6, "batch_size": 16},
                }
            ],
        }
    )
    told: list[Look] = []
    job = engine.submit(plan)
    for notes in engine.follow(job):
        told += [n.message for n in notes if isinstance(getattr(n, "message", None), Look)]
    # Each weight begins anew.
    assert {look.epoch for look in told} == set(range(1, 7))
    status = JobStatus()
    for look in told:
        status.progress(ProgressNote(0.5, look))
        assert status.losses[-1] == look.loss
        assert len(status.losses) == look.epoch
    assert "<polyline" in status.html
    status.progress(ProgressNote(0.6, "Measuring"))
    assert "<polyline" not in status.html


def test_stop_puts_the_shown_runs_text_back(engine: TinyEngine) -> None:
    page = Page(engine)
    page.build()
    _, record = finish(engine, form())
    session = Session(engine, page.keys, page.current, page.query)
    runs = Runs(page.panel, page.results, session)
    changes = runs._stopped(record.key)
    texts_part = page.results.tabs["text"].parts["texts"]
    assert changes[texts_part] == written.both_texts(record.text)
    assert texts_part not in runs._stopped("unknown")


def test_no_text_has_the_name_of_another() -> None:
    source = Path(texts.__file__).read_text(encoding="utf-8")
    names = [
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}
