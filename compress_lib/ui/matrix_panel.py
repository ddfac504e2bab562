"""The tab of single weights: errors layer by layer, training curves, and the table of all."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from compress_lib import plots_matrices
from compress_lib.describe import describe_decoding, targets_frame
from compress_lib.metrics import ERRORS
from compress_lib.results import RunRecord, TargetRecord
from compress_lib.ui import handlers, render, texts
from compress_lib.ui.engine import Engine
from compress_lib.ui.scripts import PRIVATE, QUICK, SAVE_FILE
from compress_lib.ui.tables import table

SHOWN = ("decoding", "layers", "measure", "errors", "training", "trained", "curves", "matrices")
"""The parts of the tab that show a run; two of them are boxes that may be hidden."""

WIDTHS = [
    *("200px", "130px", "62px", "110px", "84px", "88px", "98px", "84px", "84px", "96px"),
    *("180px", "84px", "78px"),
]


def show(record: RunRecord) -> dict[str, Any]:
    """Return what each part of `SHOWN` shows for a run."""
    measures, trained = _measures(record), _trained(record)
    measure = measures[0][1] if measures else None
    first = trained[0].names[0] if trained else None
    names = [(target.group or " = ".join(target.names), target.names[0]) for target in trained]
    return {
        "decoding": gr.update(value=_decoding(record), visible=bool(describe_decoding(record))),
        "layers": gr.update(visible=bool(measures)),
        "measure": gr.update(choices=measures, value=measure),
        "errors": errors(record, measure),
        "training": gr.update(visible=bool(trained)),
        "trained": gr.update(choices=names, value=first, visible=len(names) > 1),
        "curves": curves(record, first),
        "matrices": render.matrix_rows(record),
    }


def errors(record: RunRecord | None, measure: Any) -> Any:
    """Draw the map of a measure; nothing where there is none."""
    if record is None or measure not in [name for _, name in _measures(record)]:
        return None
    return plots_matrices.error_map(record, measure)


def curves(record: RunRecord | None, name: Any) -> Any:
    """Draw how a weight, or the group that it is the first of, was trained; else nothing."""
    for target in _trained(record) if record else []:
        if target.names[0] == name:
            return plots_matrices.training_curves(target)
    return None


def build(values: dict[str, Any]) -> dict[str, Any]:
    """Make the tab's components, by the names of `SHOWN` and of its button."""

    def given(name: str) -> dict[str, Any]:
        found = {key: value for key, value in values.get(name, {}).items() if key != "__type__"}
        return found or {"visible": False}

    made: dict[str, Any] = {}
    made["decoding"] = gr.HTML(elem_id="decoding", **given("decoding"))
    with gr.Column(elem_id="layers", **given("layers")) as made["layers"]:
        gr.Markdown(texts.LAYERS_HELP)
        made["measure"] = gr.Dropdown(
            label=texts.MEASURE_SHOWN, elem_id="measure", **given("measure")
        )
        made["errors"] = gr.Plot(values.get("errors"), show_label=False, elem_id="errors")
    with gr.Column(elem_id="training", **given("training")) as made["training"]:
        gr.Markdown(texts.TRAINING_HELP)
        made["trained"] = gr.Dropdown(label=texts.TRAINED, elem_id="trained", **given("trained"))
        made["curves"] = gr.Plot(values.get("curves"), show_label=False, elem_id="curves")
    made["matrices"] = table(
        texts.MATRIX_HEADERS, values.get("matrices"), texts.TAB_MATRICES, widths=WIDTHS
    )
    made["matrices_csv"] = gr.Button(texts.DOWNLOAD_MATRICES, size="sm")
    return made


def connect(results: Any, engine: Engine, current: gr.State, file: gr.Textbox) -> None:
    """Let the menus draw their charts anew, and the button save the table.

    Args:
        results: Has the components of `build`.
        engine: Knows the runs.
        current: The key of the shown run.
        file: Where a file waits for the browser to save it.
    """

    def saved(key: Any) -> str:
        record = handlers.lookup(engine, key)
        if record is None:
            raise gr.Error(texts.NO_LANDMARKS)
        content = handlers.frame_csv(targets_frame(record))
        return handlers.download(f"matrices-{record.key}.csv", "text/csv", content)

    results.measure.input(
        lambda measure, key: errors(handlers.lookup(engine, key), measure),
        [results.measure, current],
        results.errors,
        **QUICK,
    )
    results.trained.input(
        lambda name, key: curves(handlers.lookup(engine, key), name),
        [results.trained, current],
        results.curves,
        **QUICK,
    )
    results.matrices_csv.click(saved, current, file, **QUICK).success(
        None, file, None, js=SAVE_FILE, **PRIVATE
    )


def _measures(record: RunRecord) -> list[tuple[str, str]]:
    """Return label and name of what a map can show; none for a single weight."""
    layered = [target for target in record.targets if target.layer is not None]
    if len(layered) < 2:
        return []
    return [
        (metric.label, name)
        for name, metric in ERRORS.items()
        if any(target.errors[name] is not None for target in layered)
    ]


def _trained(record: RunRecord) -> list[TargetRecord]:
    return [target for target in record.targets if target.history]


def _decoding(record: RunRecord) -> str:
    return f'<p class="decoding">{escape(describe_decoding(record))}</p>'
