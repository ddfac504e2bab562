"""The page's handlers as plain functions, with a tiny model in place of the real one."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from compress_lib.results.records import SpeedRecord
from compress_lib.results.target_record import DirectionError
from compress_lib.results.text_record import WrittenToken
from compress_lib.ui.app import Page
from compress_lib.ui.common import components, html, messages, texts
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import preview
from compress_lib.ui.results import generated_text, tables
from compress_lib.ui.results.headline import headline
from compress_lib.ui.results.selection import find_clicked, run_choices, select_run
from tests.support.compressed import run_record, target_record
from tests.support.page import TinyEngine, finish, read_form


def test_the_page_is_built_without_torch() -> None:
    code = (
        "from compress_lib.ui.app import Page; Page().build(); import sys;"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tokens_are_shaded_by_what_the_other_model_thought(engine: TinyEngine) -> None:
    _, record = finish(engine)
    sure = WrittenToken(" tide", 0.25, 1.0)
    doubtful = WrittenToken(" rose", 0.25, 1e-9)
    text = replace(
        record.text[0],
        baseline_tokens=(sure, doubtful),
        compressed_tokens=(sure, sure),
        first_divergence=1,
    )
    shown = generated_text.both_texts([text])
    assert (
        '--q:0.00" title="p = 100% under the other model, 25% under this one"> tide</span>' in shown
    )
    assert (
        '--q:1.00" title="p = 1e-07% under the other model, 25% under this one"> rose</span>'
        in shown
    )
    assert shown.index(" tide</span>") < shown.index('class="part"') < shown.index(" rose</span>")
    # √(1 ÷ 10⁻⁶): what is rounded to nothing counts as a millionth.
    assert "Perplexity of this text: 4.00 under this model, 1,000 under the other." in shown
    assert "Perplexity of this text: 4.00 under this model, 1.00 under the other." in shown


def test_no_change_is_awaited_by_two_that_set_each_other_off() -> None:
    """A late answer makes gradio ask all of an event's listeners anew, see `FormEvents`."""
    waiting: Counter[tuple[Any, ...]] = Counter()
    for dependency in Page().build().get_config_file()["dependencies"]:
        if dependency["trigger_mode"] == "always_last":
            waiting.update(tuple(target) for target in dependency["targets"])
    assert waiting and max(waiting.values()) == 1


def test_before_both_models_write_the_headline_has_as_many_lines() -> None:
    early = run_record(text=(), speed=SpeedRecord(100.0, 150.0))
    assert texts.WRITES_YET in headline(early, "")
    assert texts.WRITES_YET not in headline(
        replace(early, plan=replace(early.plan, prompts=())), ""
    )
    done = run_record(speed=SpeedRecord(100.0, 150.0, 10.0, 5.0))
    assert texts.WRITES.format(ratio=0.5) in headline(done, "")
    # A masked model never writes.
    masked = replace(early, perplexity=replace(early.perplexity, protocol="whole_word"))
    assert texts.WRITES_YET not in headline(masked, "")


def test_a_long_number_is_set_smaller() -> None:
    small = target_record(direction_error=DirectionError(0.00006, 0.0, 0.0001, 0.001))
    assert '<span class="value long"><span>0.00006' in headline(run_record(targets=(small,)), "")
    assert "long" not in headline(run_record(), "")


def test_untrusted_text_is_escaped(engine: TinyEngine) -> None:
    evil = "<script>alert(1)</script>"
    _, record = finish(engine, read_form(prompt=evil))
    token = WrittenToken(evil, 0.5, 0.5)
    text = replace(record.text[0], baseline_tokens=(token,), compressed_tokens=())
    assert "<script>" not in generated_text.both_texts([*record.text, text])
    assert "<script>" not in generated_text.writing(evil, evil, evil)
    assert "<script>" not in html.status(evil, 0.5)
    named = replace(record, model=replace(record.model, id=evil))
    assert "<script>" not in headline(named, evil)
    assert "<script>" not in html.provenance([named])
    broken = read_form(overrides=[[evil, "svd", "0.5"]])
    assert "<script>" not in preview.describe_plan(Engine(), broken)


def test_only_runs_measured_alike_share_a_chart(engine: TinyEngine) -> None:
    _, first = finish(engine)
    _, longer = finish(engine, read_form(tokens=400))
    _, other = finish(engine, read_form(seed=3))
    assert session_runs.comparable([first, longer, other], first) == [first, other]


def test_a_session_sees_only_its_own_runs(engine: TinyEngine) -> None:
    _, mine = finish(engine)
    finish(engine, read_form(seed=3))
    assert session_runs.own_runs(engine, [mine.key]) == [mine]
    assert session_runs.own_runs(engine, ["no such key", 7, None]) == []
    assert session_runs.own_runs(engine, "not a list") == []


def test_csv_cells_cannot_be_formulas(engine: TinyEngine) -> None:
    _, record = finish(engine)
    evil = replace(record, model=replace(record.model, id="=HYPERLINK(1)"))
    assert "'=HYPERLINK(1)" in tables.to_csv([evil])
    assert record.key in tables.to_csv([record])


def test_what_is_told_beside_the_page_is_no_html(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("gradio.Warning", lambda message, duration: shown.append(message))
    messages.warn("Unknown <img src=x>")
    assert shown == ["Unknown &lt;img src=x&gt;"]
    assert "<form" not in str(messages.refusal("<form>").message)


def test_whatever_is_typed_beside_a_slider_comes_to_us() -> None:
    for made in (components.AnySlider(0.02, 1.0, value=0.5), components.AnyDropdown(["a"])):
        assert made.preprocess("7") == "7"
        # A session that changes a component gets one of the same class.
        assert type(made)(**made.constructor_args).preprocess("7") == "7"
        assert made.get_block_name() in ("slider", "dropdown")


def test_runs_that_are_called_alike_can_be_told_apart(engine: TinyEngine) -> None:
    _, first = finish(engine)
    _, second = finish(engine, read_form(prompt="The moon"))
    rows = html.run_rows([first, second])
    assert rows[0][0] != rows[1][0]
    assert find_clicked([first, second], rows[1]) == second
    shown = select_run(engine, [first.key, second.key], second)
    labels = [label for label, _ in run_choices(shown)]
    assert len(set(labels)) == len(labels) == len(shown.all)
    assert all(texts.YOURS in label for label in labels[:2])
    assert labels[2:] == sorted(labels[2:])
    assert len(run_choices(shown, lambda run: run != first)) == len(labels) - 1


def test_a_click_that_finds_no_run_changes_nothing(engine: TinyEngine) -> None:
    page = Page(engine)
    page.build()
    assert page._show_selected([], None, None, restore=True) == gr.skip()


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
