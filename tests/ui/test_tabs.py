"""Every tab of the results: found by itself, built from what it shows, silent where nothing is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import gradio as gr
import pytest
import torch

from compress_lib.errors import CompressionError
from compress_lib.models.checkpoint import load_compressed
from compress_lib.models.loading import LanguageModel
from compress_lib.results.describe import describe
from compress_lib.results.landmarks import load_landmarks
from compress_lib.ui.common import html, texts
from compress_lib.ui.engine.model_cache import MOST_KEPT, CompressedModelCache
from compress_lib.ui.results import panel as result_panel
from compress_lib.ui.results.selection import Shown, find_clicked, first_record, select_run
from compress_lib.ui.results.tabs import TABS, result_tabs
from compress_lib.ui.results.tabs.compare import comparison
from compress_lib.ui.results.tabs.download import zip_checkpoint
from compress_lib.ui.results.tabs.memory import cache_line
from compress_lib.ui.results.tabs.token_lookup import look_up_word
from compress_lib.utils.formatting import format_bytes
from compress_lib.utils.profiles import PROFILE
from compress_lib.utils.progress import Report
from tests.support.page import TinyEngine, finish, read_form


@pytest.mark.parametrize("name", TABS)
def test_a_tab_shows_every_landmark_in_parts_that_it_has(name: str) -> None:
    tab = TABS[name]()
    with gr.Blocks():
        tab.parts.update(tab.build(tab.show(Shown(first_record()))))
    for record in load_landmarks():
        assert set(tab.show(Shown(record, landmarks=load_landmarks()))) <= set(tab.parts)


@pytest.mark.parametrize("name", TABS)
def test_a_tab_is_built_where_nothing_was_ever_measured(name: str) -> None:
    tab = TABS[name]()
    with gr.Blocks():
        assert tab.build(tab.show(Shown(None)))


def test_tabs_stand_in_their_order_and_have_labels_of_their_own() -> None:
    tabs = result_tabs()
    assert [tab.order for tab in tabs] == sorted(tab.order for tab in tabs)
    assert len({tab.label for tab in tabs}) == len(TABS)


def test_a_line_of_the_table_stands_for_its_run(engine: TinyEngine) -> None:
    _, mine = finish(engine)
    shown = select_run(engine, [mine.key], mine)
    assert shown.mine
    for record, row in zip(shown.all, TABS["frontier"]().show(shown)["runs"], strict=True):
        # A browser says 100 where the table held 100.0.
        sent = [
            int(cell) if isinstance(cell, float) and cell == int(cell) else cell for cell in row
        ]
        assert find_clicked(shown.all, sent) == record
    assert find_clicked(shown.all, ["no such run"]) is None


def test_the_panel_fills_only_what_it_has(engine: TinyEngine) -> None:
    with gr.Blocks():
        panel = result_panel.build(engine)
    _, mine = finish(engine)
    assert set(panel.show(select_run(engine, [mine.key], mine))) <= set(panel.parts())
    assert panel.update("log", {"lines": "x"}) == {panel.tabs["log"].parts["lines"]: "x"}


def test_the_tray_marks_the_best_and_holds_all_against_the_first(engine: TinyEngine) -> None:
    _, mild = finish(engine, read_form(keep=0.9))
    _, harsh = finish(engine, read_form(keep=0.2))
    table = comparison([mild, harsh])
    assert describe(mild) in table and describe(harsh) in table
    assert table.count("<strong>") >= 3
    assert " × " in table.replace("×", " × ")
    assert comparison([mild]).count("<td>") < table.count("<td>")
    other, _ = load_landmarks()[:2]
    assert "—" in comparison([mild, other])
    assert texts.TRAY_EMPTY in comparison([])


def test_names_in_the_tray_are_escaped(engine: TinyEngine) -> None:
    _, mine = finish(engine, read_form(overrides=[["query", "svd", "0.5"]]))
    first, *rest = mine.plan.rules
    rules = (replace(first, pattern="<b>"), *rest)
    evil = replace(mine, plan=replace(mine.plan, rules=rules))
    assert "<b>" not in comparison([evil, evil])


def test_the_cache_grows_with_the_context_and_is_the_same_for_both(engine: TinyEngine) -> None:
    _, mine = finish(engine)
    each = mine.memory.cache_bytes
    assert each > 0
    line = cache_line(mine, 1000)
    assert format_bytes(1000 * each) in line
    assert format_bytes(1000 * each + mine.memory.baseline_bytes) in line
    older = replace(mine, memory=replace(mine.memory, cache_bytes=0))
    assert cache_line(older, 1000) == texts.NO_CACHE


def test_the_model_of_a_run_can_be_taken_away(
    engine: TinyEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, record = finish(engine)
    steps = zip_checkpoint(engine, record)
    file = None
    for _, file in steps:
        if file is not None:
            with ZipFile(file) as archive:
                archive.extractall(tmp_path)
    assert file is not None and not file.exists(), "nothing stays behind"
    folder = tmp_path / file.stem
    loaded = load_compressed(folder, device="cpu")
    made = engine.made.find(record.key)
    assert made is not None
    ids = torch.arange(20)[None]
    assert torch.equal(loaded.module(ids).logits, made.module(ids).logits)
    assert (folder / "README.md").exists()
    monkeypatch.setenv(PROFILE, "workshop")
    huge = replace(record, memory=replace(record.memory, compressed_bytes=10**9))
    with pytest.raises(CompressionError, match="1 GB, more than the 300 MB"):
        next(zip_checkpoint(engine, huge))


def test_a_model_that_is_gone_is_made_again(engine: TinyEngine) -> None:
    _, record = finish(engine)
    first = engine.made.find(record.key)
    for seed in range(MOST_KEPT):
        finish(engine, read_form(seed=seed + 1))
    assert engine.made.find(record.key) is None
    *_, (told, file) = zip_checkpoint(engine, record)
    assert file is not None
    assert "ready" in told
    again = engine.made.find(record.key)
    assert first is not None and again is not None
    ids = torch.arange(20)[None]
    assert torch.equal(again.module(ids).logits, first.module(ids).logits)
    with pytest.raises(CompressionError, match="cannot be recomputed"):
        list(zip_checkpoint(engine, replace(record, key="other")))
    # What comes out must be what the record tells of.
    engine.made = CompressedModelCache()
    worse = replace(record.targets[0], relative_error=0.9)
    with pytest.raises(CompressionError, match="recomputed model differs"):
        list(zip_checkpoint(engine, replace(record, targets=(worse,))))
    engine._limits["remake_seconds"] = 5
    slow = replace(record, seconds={**record.seconds, "compress": 61.0})
    with pytest.raises(CompressionError, match=r"1 min 1 s, more than the 5\.0 s"):
        next(zip_checkpoint(engine, slow))
    engine.keeps_models = False  # type: ignore[misc]
    with pytest.raises(CompressionError, match="remote GPU"):
        next(zip_checkpoint(engine, record))


def test_it_is_made_of_the_weights_that_the_run_had(
    engine: TinyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, record = finish(engine)
    engine.made = CompressedModelCache()
    wanted: list[str | None] = []
    load = engine.load

    def newer(model: str, revision: str | None, device: str, report: Report) -> LanguageModel:
        """By now, whoever names no revision gets another one."""
        wanted.append(revision)
        return replace(load(model, revision, device, report), revision=revision or "newer")

    monkeypatch.setattr(engine, "load", newer)
    *_, (_, file) = zip_checkpoint(engine, record)
    assert file is not None
    assert wanted == [record.model.revision]
    # What is loaded already is not loaded again.
    engine._models[record.plan.model, None] = engine.model
    engine.made = CompressedModelCache()
    *_, (_, file) = zip_checkpoint(engine, record)
    assert file is not None
    assert len(wanted) == 1


def test_any_word_is_looked_up_in_the_shown_run(engine: TinyEngine) -> None:
    _, record = finish(engine)
    assert record.direction is not None
    *_, (told, rows) = look_up_word(engine, record, "tide")
    assert "tide" in told
    assert rows is not None
    mine = [row for row in rows if row[1] == texts.ASKED]
    assert rows[: len(mine)] == mine
    assert rows[len(mine) :] == html.token_rows(record.direction)
    assert all(row[4] and row[5] for row in mine)


@pytest.mark.parametrize("word", ["", "  ", None, 7, "a" * 81, "\ud800"])
def test_what_is_no_word_is_refused(engine: TinyEngine, word: Any) -> None:
    _, record = finish(engine)
    with pytest.raises(CompressionError, match="Enter a word to look up|at most 80 characters"):
        list(look_up_word(engine, record, word))
    untouched = replace(record, direction=None)
    with pytest.raises(CompressionError, match="does not compress the embedding"):
        list(look_up_word(engine, untouched, "tide"))
