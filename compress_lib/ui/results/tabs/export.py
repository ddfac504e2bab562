"""Export tab: report, notebook, code, data and compressed checkpoint of a run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any, ClassVar

import gradio as gr

from compress_lib.reporting.exports.code import python_code
from compress_lib.reporting.exports.notebook import notebook
from compress_lib.reporting.exports.report import report
from compress_lib.results.describe import describe
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import texts
from compress_lib.ui.common.browser import LIVE, PRIVATE, QUICK, SAVE_FILE
from compress_lib.ui.results import tables
from compress_lib.ui.results.selection import Shown, select_run
from compress_lib.ui.results.tabs.base import ResultTab, Wiring, find_run, follow_job, register
from compress_lib.ui.results.tabs.download import zip_checkpoint


@register
class TakeAwayTab(ResultTab):
    """Buttons that generate files of the shown run on demand."""

    name: ClassVar[str] = "take-away"
    label: ClassVar[str] = texts.TAB_EXPORT
    order: ClassVar[int] = 50

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        if shown.record is None:
            return {}
        return {
            "code": python_code(shown.record.plan),
            "made": gr.update(value=None, visible=False),
            "status": "",
        }

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.EXPORT_HELP)
        with gr.Row():
            buttons = {
                "report": gr.Button(texts.EXPORT_REPORT, size="sm", elem_id="save-report"),
                "notebook": gr.Button(texts.EXPORT_NOTEBOOK, size="sm", elem_id="save-notebook"),
                "json": gr.Button(texts.DOWNLOAD_JSON, size="sm", elem_id="save-json"),
                "csv": gr.Button(texts.DOWNLOAD_CSV, size="sm", elem_id="save-csv"),
            }
            buttons["checkpoint"] = gr.Button(
                texts.EXPORT_CHECKPOINT, size="sm", elem_id="save-checkpoint"
            )
            buttons["stop"] = gr.Button(
                texts.STOP, size="sm", visible=False, elem_id="stop-checkpoint"
            )
        status = gr.HTML("", elem_id="checkpoint-status", js_on_load=LIVE)
        file = gr.File(
            label=texts.EXPORT_FILE, visible=False, interactive=False, elem_id="checkpoint-file"
        )
        code = gr.Code(
            values.get("code"), language="python", label=texts.EXPORT_CODE, elem_id="code"
        )
        return {**buttons, "status": status, "made": file, "code": code}

    def connect(self, wiring: Wiring) -> None:
        """See `ResultTab.connect`: each button generates and saves a file."""

        def saver(make: Callable[[RunRecord, Shown], str]) -> Callable[[Any, Any], str]:
            def save(keys: Any, current: Any) -> str:
                record = find_run(wiring.engine, current)
                return make(record, select_run(wiring.engine, keys, record))

            return save

        state = [wiring.keys, wiring.current]
        for name, make in FILES.items():
            # `gr.DownloadButton` would save the file of its previous click.
            self.parts[name].click(saver(make), state, wiring.file, **QUICK).success(
                None, wiring.file, None, js=SAVE_FILE, **PRIVATE
            )
        status, output = self.parts["status"], self.parts["made"]

        def checkpoint(record: RunRecord) -> Generator[tuple[str, dict[Any, Any]], None, None]:
            with closing(zip_checkpoint(wiring.engine, record)) as steps:
                for message, file in steps:
                    ready = {output: gr.update(value=str(file), visible=True)}
                    yield message, ready if file is not None else {}

        parts = (status, self.parts["stop"], [output])
        follow_job(wiring, [self.parts["checkpoint"].click], checkpoint, [], parts)


def _report(record: RunRecord, shown: Shown) -> str:
    others = [other for other in shown.all if other.key != record.key]
    return tables.download(f"run-{record.key}.html", "text/html", report(record, others))


def _notebook(record: RunRecord, shown: Shown) -> str:
    content = notebook(record.plan, describe(record))
    return tables.download(f"run-{record.key}.ipynb", "application/x-ipynb+json", content)


def _json(record: RunRecord, shown: Shown) -> str:
    name = f"run-{record.key}.json"
    return tables.download(name, "application/json", tables.to_json(record))


def _csv(record: RunRecord, shown: Shown) -> str:
    return tables.download("runs.csv", "text/csv", tables.to_csv(shown.all))


FILES: dict[str, Callable[[RunRecord, Shown], str]] = {
    "report": _report,
    "notebook": _notebook,
    "json": _json,
    "csv": _csv,
}
"""Functions that return the file of each button, given a run and those comparable with it."""
