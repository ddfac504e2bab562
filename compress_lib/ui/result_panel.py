"""The right side: what a run found, and how it stands among others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from compress_lib import plots, plots_matrices
from compress_lib.describe import describe
from compress_lib.landmarks import load_landmarks
from compress_lib.results import RunRecord
from compress_lib.ui import handlers, matrix_panel, render, texts
from compress_lib.ui.engine import Engine
from compress_lib.ui.fills import both_fills
from compress_lib.ui.scripts import FIT
from compress_lib.ui.tables import table

SHOWN = (
    "headline",
    "frontier",
    "provenance",
    "runs",
    "text",
    "direction",
    "overlay",
    "worst",
    "best",
    "memory",
    *matrix_panel.SHOWN,
)
"""The parts that show a run."""

RUN_WIDTHS = ["250px", "100px", "76px", "60px", "78px", "66px", "74px", "88px"]

OVERLAID = 3
"""How many other runs a histogram shows unasked."""


@dataclass(frozen=True)
class ResultPanel:
    """The components that show results."""

    headline: Any
    frontier: Any
    provenance: Any
    runs: Any
    text: Any
    direction: Any
    overlay: Any
    worst: Any
    best: Any
    memory: Any
    log: Any
    csv: Any
    json: Any
    decoding: Any
    layers: Any
    measure: Any
    errors: Any
    training: Any
    trained: Any
    curves: Any
    matrices: Any
    matrices_csv: Any

    def parts(self) -> list[Any]:
        """Return the components that show a run."""
        return [getattr(self, name) for name in SHOWN]

    def filled(self, values: dict[str, Any]) -> dict[Any, Any]:
        """Return values by component instead of by name, as gradio takes them."""
        return {getattr(self, name): value for name, value in values.items()}


def first_record() -> RunRecord | None:
    """Return the landmark that is shown before anyone has run anything."""
    records = load_landmarks()
    for record in records:
        if record.methods == ("frequency_svd",) and record.plan["rules"][0]["keep"] == 0.5:
            return record
    return records[0] if records else None


def neighbours(
    engine: Engine, keys: Any, current: RunRecord | None
) -> tuple[list[RunRecord], list[RunRecord]]:
    """Return the session's runs and the landmarks that may be compared with a run."""
    own = handlers.comparable(handlers.own_runs(engine, keys), current)
    mine = {record.key for record in own}
    landmarks = handlers.comparable(load_landmarks(), current)
    ordered = sorted(landmarks, key=lambda record: record.perplexity.compressed)
    return own, [record for record in ordered if record.key not in mine]


def clicked(engine: Engine, keys: Any, current: Any, row: Any) -> RunRecord | None:
    """Return the run that a line of the table of runs stands for.

    The table may have been sorted in the browser: its cells say which run it is, not the number
    of the line.
    """
    own, landmarks = neighbours(engine, keys, handlers.lookup(engine, current))
    cells = [_plain(cell) for cell in row or []]
    for record in (*own, *landmarks):
        if [_plain(cell) for cell in render.run_rows([record])[0]] == cells:
            return record
    return None


def _plain(cell: Any) -> str:
    """A browser says 100 where a table held 100.0, and None or NaN where it was empty."""
    return f"{cell:g}" if isinstance(cell, int | float) else str(cell or "")


def show(engine: Engine, keys: Any, current: RunRecord | None) -> dict[str, Any]:
    """Return what each part of `SHOWN` shows for a run among its neighbours."""
    if current is None:
        return {"provenance": texts.NO_LANDMARKS}
    own, landmarks = neighbours(engine, keys, current)
    mine = current.key in {record.key for record in own}
    direction = current.direction
    others = [r for r in (*own, *landmarks) if r.direction and r.key != current.key]
    # Runs of one's own are laid over each other at once; landmarks on request.
    beside = [r for r in others if r in own][:OVERLAID] if direction else []
    menu = [(describe(r), r.key) for r in others]
    return {
        "headline": render.headline(current, texts.YOURS if mine else texts.LANDMARK),
        "frontier": plots.frontier(landmarks, own, current.key),
        "provenance": render.legend(plots.frontier_legend([*landmarks, *own]))
        + render.provenance(landmarks),
        "runs": render.run_rows([*own, *landmarks]),
        "text": render.both_texts(current.text) + both_fills(current.fills),
        "direction": plots.direction_histogram([current, *beside], texts.NO_DIRECTION),
        "overlay": gr.update(choices=menu, value=[r.key for r in beside]),
        "worst": render.token_rows(direction.worst) if direction else [],
        "best": render.token_rows(direction.best) if direction else [],
        "memory": plots_matrices.memory_bars(current),
        **matrix_panel.show(current),
    }


def build(engine: Engine) -> ResultPanel:
    """Make the results, showing a landmark."""
    first = first_record()
    values = show(engine, [], first)
    with gr.Column(elem_id="results"):
        headline = gr.HTML(values.get("headline") or "", elem_id="headline")
        with gr.Tabs() as tabs:
            with gr.Tab(texts.TAB_FRONTIER):
                frontier, provenance, runs, csv, json = _frontier(values)
            with gr.Tab(texts.TAB_TEXT, elem_id="tab-text"):
                gr.Markdown(texts.TEXT_HELP)
                text = gr.HTML(values.get("text") or "", elem_id="texts")
            with gr.Tab(texts.TAB_DIRECTION):
                direction, overlay, worst, best = _direction(values)
            with gr.Tab(texts.TAB_MEMORY):
                gr.Markdown(texts.MEMORY_HELP)
                memory = gr.Plot(values.get("memory"), show_label=False, elem_id="memory")
            with gr.Tab(texts.TAB_MATRICES):
                weights = matrix_panel.build(values)
            with gr.Tab(texts.TAB_LOG):
                log = gr.Textbox(
                    placeholder=texts.LOG_EMPTY,
                    lines=16,
                    max_lines=16,
                    show_label=False,
                    interactive=False,
                    autoscroll=True,
                    elem_id="log",
                )
    # What was drawn while its tab was hidden has a size of its own.
    tabs.select(None, None, None, js=FIT, api_visibility="private")
    return ResultPanel(
        headline, frontier, provenance, runs, text, direction, overlay, worst, best,
        memory, log, csv, json, **weights,
    )  # fmt: skip


def _frontier(values: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
    gr.Markdown(texts.FRONTIER_HELP)
    frontier = gr.Plot(values.get("frontier"), show_label=False, elem_id="frontier")
    provenance = gr.HTML(values.get("provenance") or "", elem_id="provenance")
    runs = table(
        texts.RUN_HEADERS,
        values.get("runs"),
        "Runs",
        elem_id="runs",
        widths=RUN_WIDTHS,
        numbers=len(texts.RUN_HEADERS) - 1,
    )
    with gr.Row():
        csv = gr.Button(texts.DOWNLOAD_CSV, size="sm")
        json = gr.Button(texts.DOWNLOAD_JSON, size="sm")
    return frontier, provenance, runs, csv, json


def _direction(values: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    gr.Markdown(texts.DIRECTION_HELP)
    direction = gr.Plot(values.get("direction"), show_label=False, elem_id="direction")
    choices = values.get("overlay", {}).get("choices", [])
    overlay = gr.Dropdown(
        choices,
        multiselect=True,
        max_choices=4,
        label=texts.COMPARE_DIRECTIONS,
        elem_id="overlay",
    )
    with gr.Row():
        with gr.Column(min_width=260):
            worst = table(texts.TOKEN_HEADERS, values.get("worst"), texts.WORST, labelled=True)
        with gr.Column(min_width=260):
            best = table(texts.TOKEN_HEADERS, values.get("best"), texts.BEST, labelled=True)
    return direction, overlay, worst, best
