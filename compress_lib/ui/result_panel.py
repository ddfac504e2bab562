"""The right side: what a run found, and how it stands among others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from compress_lib import plots
from compress_lib.landmarks import load_landmarks
from compress_lib.results import RunRecord, describe
from compress_lib.ui import handlers, render, texts
from compress_lib.ui.engine import Engine

OVERLAID = 3
"""How many other runs a histogram shows unasked."""


@dataclass(frozen=True)
class ResultPanel:
    """The components that show results."""

    status: Any
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
    matrices: Any
    log: Any
    csv: Any
    json: Any

    @property
    def shown(self) -> list[Any]:
        """The components that `show` fills, in its order."""
        return [
            self.headline,
            self.frontier,
            self.provenance,
            self.runs,
            self.text,
            self.direction,
            self.overlay,
            self.worst,
            self.best,
            self.memory,
            self.matrices,
        ]


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


def show(engine: Engine, keys: Any, current: RunRecord | None) -> list[Any]:
    """Return the values of `ResultPanel.shown` for a run among its neighbours."""
    if current is None:
        return [gr.skip()] * 2 + [texts.NO_LANDMARKS] + [gr.skip()] * 8
    own, landmarks = neighbours(engine, keys, current)
    mine = current.key in {record.key for record in own}
    direction = current.direction
    others = [r for r in (*own, *landmarks) if r.direction and r.key != current.key]
    # Runs of one's own are laid over each other at once; landmarks on request.
    beside = [r for r in others if r in own][:OVERLAID] if direction else []
    return [
        render.headline(current, texts.YOURS if mine else texts.LANDMARK),
        plots.frontier(landmarks, own, current.key),
        render.provenance(landmarks),
        render.run_rows([*own, *landmarks]),
        render.both_texts(current.text),
        plots.direction_histogram([current, *beside], texts.NO_DIRECTION),
        gr.update(choices=[(describe(r), r.key) for r in others], value=[r.key for r in beside]),
        render.token_rows(direction.worst) if direction else [],
        render.token_rows(direction.best) if direction else [],
        plots.memory_bars(current),
        render.matrix_rows(current),
    ]


def build(engine: Engine) -> ResultPanel:
    """Make the results, showing a landmark."""
    first = first_record()
    values = show(engine, [], first)
    filled = [None if isinstance(value, dict) else value for value in values]
    with gr.Column(elem_id="results"):
        status = gr.HTML(render.status(texts.READY), elem_id="status")
        headline = gr.HTML(filled[0] or "", elem_id="headline")
        with gr.Tabs():
            with gr.Tab(texts.TAB_FRONTIER):
                frontier, provenance, runs, csv, json = _frontier(filled)
            with gr.Tab(texts.TAB_TEXT, elem_id="tab-text"):
                gr.Markdown(texts.TEXT_HELP)
                text = gr.HTML(filled[4] or "", elem_id="texts")
            with gr.Tab(texts.TAB_DIRECTION):
                direction, overlay, worst, best = _direction(filled, values)
            with gr.Tab(texts.TAB_MEMORY):
                gr.Markdown(texts.MEMORY_HELP)
                memory = gr.Plot(filled[9], show_label=False, elem_id="memory")
            with gr.Tab(texts.TAB_MATRICES):
                matrices = _table(texts.MATRIX_HEADERS, filled[10], texts.TAB_MATRICES)
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
    return ResultPanel(
        status, headline, frontier, provenance, runs, text, direction, overlay, worst, best,
        memory, matrices, log, csv, json,
    )  # fmt: skip


def _frontier(filled: list[Any]) -> tuple[Any, Any, Any, Any, Any]:
    gr.Markdown(texts.FRONTIER_HELP)
    frontier = gr.Plot(filled[1], show_label=False, elem_id="frontier")
    provenance = gr.HTML(filled[2] or "", elem_id="provenance")
    runs = _table(texts.RUN_HEADERS, filled[3], "Runs", elem_id="runs")
    with gr.Row():
        csv = gr.DownloadButton(texts.DOWNLOAD_CSV, size="sm")
        json = gr.DownloadButton(texts.DOWNLOAD_JSON, size="sm")
    return frontier, provenance, runs, csv, json


def _direction(filled: list[Any], values: list[Any]) -> tuple[Any, Any, Any, Any]:
    gr.Markdown(texts.DIRECTION_HELP)
    direction = gr.Plot(filled[5], show_label=False, elem_id="direction")
    choices = values[6].get("choices", [])
    overlay = gr.Dropdown(
        choices,
        multiselect=True,
        max_choices=4,
        label=texts.COMPARE_DIRECTIONS,
        elem_id="overlay",
    )
    with gr.Row():
        with gr.Column(min_width=260):
            worst = _table(texts.TOKEN_HEADERS, filled[7], texts.WORST, labelled=True)
        with gr.Column(min_width=260):
            best = _table(texts.TOKEN_HEADERS, filled[8], texts.BEST, labelled=True)
    return direction, overlay, worst, best


def _table(
    headers: tuple[str, ...],
    rows: Any,
    label: str,
    *,
    labelled: bool = False,
    elem_id: str | None = None,
) -> Any:
    return gr.Dataframe(
        value=rows or [],
        headers=list(headers),
        datatype="str",
        type="array",
        interactive=False,
        label=label,
        show_label=labelled,
        max_height=360,
        elem_id=elem_id,
    )
