"""Studies tab: bundled experiments, and a per-matrix sensitivity sweep to run."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.reporting.plots.studies import about, module_map, study_figure
from compress_lib.runs.studies import STUDIES, StudyRecord, build_study, load_studies
from compress_lib.runs.studies.findings import findings
from compress_lib.runs.studies.record import format_value
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import JOB, LIVE, PRIVATE, QUICK
from compress_lib.ui.common.messages import refusal, warn
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine, StudyProgress
from compress_lib.ui.engine.status import follow
from compress_lib.ui.form import validation
from compress_lib.ui.results import tables

SWEEP = "sensitivity"
MEASURES = ("kl", "ratio", "perplexity", "relative_error", "direction_error", "saved_megabytes")


@dataclass(frozen=True)
class StudiesPanel:
    """Components of the studies tab."""

    choice: Any
    said: Any
    measure: Any
    plot: Any
    table: Any
    csv: Any
    json: Any
    sweep: Any
    stop: Any
    status: Any
    shown: Any

    @property
    def outputs(self) -> list[Any]:
        """Components that a study fills."""
        return [self.said, self.measure, self.plot, self.table, self.shown]


def build() -> StudiesPanel:
    """Build the tab, showing the first bundled study."""
    studies = load_studies()
    first = next(iter(studies.values()), None)
    gr.Markdown(texts.STUDIES_INTRO)
    with gr.Row():
        choice = gr.Dropdown(
            [(record.label, name) for name, record in studies.items()],
            value=first.name if first else None,
            label=texts.STUDY,
            elem_id="study",
        )
        measure = gr.Dropdown(
            [(STUDIES[SWEEP].columns[name], name) for name in MEASURES],
            value=MEASURES[0],
            label=texts.STUDY_MEASURE,
            visible=first is not None and first.name == SWEEP,
            elem_id="study-measure",
        )
    said = gr.HTML(_findings(first), elem_id="study-said")
    plot = gr.Plot(study_figure(first) if first else None, show_label=False, elem_id="study-plot")
    with gr.Accordion(texts.STUDY_TABLE, open=False):
        table = gr.Dataframe(_table(first), interactive=False, show_label=False, wrap=False)
    with gr.Row():
        csv = gr.Button(texts.STUDY_CSV, size="sm")
        as_json = gr.Button(texts.STUDY_JSON, size="sm")
    gr.Markdown(texts.SWEEP_INTRO)
    with gr.Row(equal_height=True):
        sweep = gr.Button(texts.SWEEP, variant="primary", elem_id="sweep")
        stop = gr.Button(texts.STOP, interactive=False, elem_id="sweep-stop")
    status = gr.HTML("", elem_id="sweep-status", js_on_load=LIVE)
    shown = gr.State(first, time_to_live=session_runs.KEPT_SECONDS)
    return StudiesPanel(
        choice, said, measure, plot, table, csv, as_json, sweep, stop, status, shown
    )


def connect(
    panel: StudiesPanel, engine: Engine, form: list[Any], file: Any, save_script: str
) -> None:
    """Connect the events of the tab.

    Args:
        panel: The components of the tab.
        engine: Runs the sweep.
        form: Components with the model, the method and the size kept of the plan.
        file: Component that passes a file to the browser.
        save_script: JavaScript that saves this file.
    """
    panel.choice.input(choose, panel.choice, panel.outputs, **QUICK)
    panel.measure.input(redraw, [panel.shown, panel.measure], panel.plot, **QUICK)
    for button, make in ((panel.csv, csv_file), (panel.json, json_file)):
        button.click(make, panel.shown, file, **QUICK).success(
            None, file, None, js=save_script, **PRIVATE
        )
    buttons = [panel.sweep, panel.stop]

    def run(*given: Any) -> Iterator[dict[Any, Any]]:
        updates = sweep(engine, *given)
        try:
            busy = {
                panel.sweep: gr.Button(interactive=False),
                panel.stop: gr.Button(interactive=True),
            }
            yield busy
            for status, record in updates:
                changes: dict[Any, Any] = {panel.status: status}
                if record is not None:
                    changes |= dict(zip(panel.outputs, _fill(record), strict=True))
                yield changes
        except CompressionError as error:
            warn(error)
            yield {panel.status: html.failure(str(error))}
        finally:
            updates.close()

    running = panel.sweep.click(
        run,
        form,
        [*panel.outputs, panel.status, *buttons],
        **JOB,
    )
    running.then(_idle, None, buttons, **QUICK)
    controls = [panel.status, *buttons]
    stopped = panel.stop.click(_stop, None, controls, cancels=[running], **QUICK)
    # Repeated, because the last update of the job may arrive after the first call.
    stopped.then(_stop, None, controls, **QUICK)


def choose(name: Any) -> list[Any]:
    """Show a bundled study."""
    record = load_studies().get(name) if isinstance(name, str) else None
    return _fill(record)


def redraw(record: Any, measure: Any) -> Any:
    """Recolour the module map by another metric."""
    if not isinstance(record, StudyRecord) or measure not in record.columns:
        return gr.skip()
    return module_map(record, measure)


def sweep(
    engine: Engine, model: Any, method: Any, keep: Any
) -> Generator[tuple[str, StudyRecord | None], None, None]:
    """Measure the sensitivity of a model to compressing each weight matrix alone.

    Closing the generator stops the job and frees the engine; measured rows are kept.

    Args:
        engine: Runs the job.
        model: Name of a model in the catalogue, or a Hub ID.
        method: Name of the method.
        keep: Size kept; ignored by methods whose options determine their size.

    Yields:
        The status as HTML, and the study so far, None if it has not changed.

    Raises:
        CompressionError: The method or the model cannot be used.
    """
    name = validation.model_name(model)
    study = build_study(SWEEP, {"method": method, "keep": validation.share_of(str(method), keep)})
    latest: StudyRecord | None = None
    steps = follow(engine.queue, engine.submit_study(study, name))
    try:
        for status, events in steps:
            new = next((e.record for e in reversed(events) if isinstance(e, StudyProgress)), None)
            latest = new or latest
            yield status, new
    finally:
        steps.close()
    refused = sum(row.get("kl") is None for row in latest.rows) if latest else 0
    message = texts.SWEEP_REFUSED.format(count=refused) if refused else texts.SWEEP_FINISHED
    yield html.status(message), None


def csv_file(record: Any) -> str:
    """Return the shown study as a CSV file to download."""
    return _file(record, "csv", "text/csv")


def json_file(record: Any) -> str:
    """Return the shown study as a JSON file to download."""
    return _file(record, "json", "application/json")


def _file(record: Any, ending: str, kind: str) -> str:
    if not isinstance(record, StudyRecord):
        raise refusal(texts.NO_STUDY)
    content = record.to_csv() if ending == "csv" else json.dumps(record.to_json(), indent=1)
    return tables.download(f"{record.name}.{ending}", kind, content)


def _fill(record: StudyRecord | None) -> list[Any]:
    figure = study_figure(record) if record and record.rows else None
    map_shown = record is not None and record.name == SWEEP
    measure = gr.update(value=MEASURES[0], visible=map_shown)
    return [_findings(record), measure, figure, _table(record), record]


def _findings(record: StudyRecord | None) -> str:
    """Return the question, findings and provenance of a study as HTML."""
    if record is None:
        return f'<p class="quiet">{escape(texts.NO_STUDY)}</p>'
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in findings(record))
    return (
        f"<p><strong>{escape(record.question)}</strong></p><ul>{items}</ul>"
        f'<p class="quiet">{escape(about(record))}</p>'
    )


def _table(record: StudyRecord | None) -> dict[str, Any]:
    if record is None:
        return {"headers": [""], "data": []}
    data = [[format_value(row.get(name)) for name in record.columns] for row in record.rows]
    return {"headers": list(record.columns.values()), "data": data}


def _stop() -> list[Any]:
    return [html.status(texts.SWEEP_STOPPED), *_idle()]


def _idle() -> list[Any]:
    return [gr.Button(interactive=True), gr.Button(interactive=False)]
