"""The page: form on the left, results on the right, and what connects them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from compress_lib import plots
from compress_lib.errors import CompressionError
from compress_lib.methods import METHODS
from compress_lib.plan import OWN_TEXT, Plan
from compress_lib.ui import controls, handlers, plan_panel, preview, render, result_panel, texts
from compress_lib.ui.engine import Engine
from compress_lib.ui.theme import style, theme

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {**PRIVATE, "queue": False, "show_progress": "hidden"}

REMEMBER_LINK = "(query) => { if (query) history.replaceState(null, '', '?' + query); }"
COPY_LINK = f"""async (query) => {{
    const link = location.origin + location.pathname + '?' + query;
    history.replaceState(null, '', '?' + query);
    try {{ await navigator.clipboard.writeText(link); }} catch (error) {{ prompt('', link); }}
    const button = document.querySelector('#copy-link');
    const before = button.textContent;
    button.textContent = {json.dumps(texts.COPIED)};
    setTimeout(() => {{ button.textContent = before; }}, 1500);
}}"""


class Page:
    """One page over one engine.

    Args:
        engine: Runs the plans; a new one if None.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine()

    def build(self) -> gr.Blocks:
        """Lay the page out and connect it; imports no torch."""
        first = preview.describe_plan(self.engine, Plan())
        with gr.Blocks(
            title=texts.TITLE, analytics_enabled=False, delete_cache=(3600, 7200)
        ) as blocks:
            gr.HTML(f"<header><h1>{texts.TITLE}</h1><p>{texts.SUBTITLE}</p></header>")
            keys = gr.State([], time_to_live=24 * 3600)
            shown = result_panel.first_record()
            current = gr.State(shown.key if shown else None, time_to_live=24 * 3600)
            query = gr.Textbox(visible=False)
            with gr.Row(elem_id="lab"):
                with gr.Column(scale=4, min_width=330, elem_id="plan"):
                    panel = plan_panel.build(first)
                with gr.Column(scale=8, min_width=340):
                    results = result_panel.build(self.engine)
            self._connect_form(blocks, panel, query)
            self._connect_run(panel, results, keys, current, query)
            self._connect_results(results, keys, current)
        built: gr.Blocks = blocks
        return built

    def _connect_form(self, blocks: gr.Blocks, panel: plan_panel.PlanPanel, query: Any) -> None:
        gr.on(
            [component.change for component in panel.fields],
            self.estimate,
            panel.fields,
            panel.preview,
            trigger_mode="always_last",
            **QUICK,
        )
        panel.method.change(
            self.choose_method, panel.method, [panel.method, *panel.groups.values()], **QUICK
        )
        panel.corpus.change(
            lambda corpus: gr.Textbox(visible=corpus == OWN_TEXT),
            panel.corpus,
            panel.own_text,
            **QUICK,
        )
        panel.link.click(self.link, panel.fields, query, **QUICK).success(
            None, query, None, js=COPY_LINK, **PRIVATE
        )
        blocks.load(self.open, None, panel.fields, **QUICK)

    def _connect_run(
        self,
        panel: plan_panel.PlanPanel,
        results: result_panel.ResultPanel,
        keys: Any,
        current: Any,
        query: Any,
    ) -> None:
        running = panel.run.click(
            self.run,
            [keys, *panel.fields],
            [results.status, results.log, results.text, keys, current, query, *results.shown[:4],
             *results.shown[5:]],
            trigger_mode="once",
            concurrency_id="run",
            concurrency_limit=None,
            show_progress="hidden",
            **PRIVATE,
        )  # fmt: skip
        running.success(None, query, None, js=REMEMBER_LINK, **PRIVATE)
        panel.stop.click(
            lambda: render.status(texts.STOPPED), None, results.status, cancels=[running], **QUICK
        )

    def _connect_results(self, results: result_panel.ResultPanel, keys: Any, current: Any) -> None:
        results.runs.select(self.select, [keys, current], [current, *results.shown], **QUICK)
        results.overlay.change(self.overlay, [results.overlay, current], results.direction, **QUICK)
        results.csv.click(self.csv, [keys, current], results.csv, **QUICK)
        results.json.click(self.json, current, results.json, **QUICK)

    def estimate(self, *given: Any) -> str:
        """Say what the plan in the form would do."""
        try:
            plan = controls.read(controls.Form.of(given))
        except CompressionError as error:
            return preview.complaint(error)
        return preview.describe_plan(self.engine, plan)

    def choose_method(self, method: Any) -> list[Any]:
        """Show a method's summary and its options."""
        known = METHODS.get(method) if isinstance(method, str) else None
        info = known.summary if known else None
        return [gr.Dropdown(info=info), *(gr.Column(visible=name == method) for name in METHODS)]

    def link(self, *given: Any) -> str:
        """Return the query string of the plan in the form."""
        try:
            return controls.read(controls.Form.of(given)).to_query()
        except CompressionError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def open(self, request: gr.Request) -> list[Any]:
        """Fill the form from the page's address."""
        pairs = getattr(request.query_params, "multi_items", request.query_params.items)()
        plan, complaint = handlers.first_plan(urlencode(list(pairs)))
        if complaint:
            gr.Warning(complaint)
        values = controls.flat(controls.write(plan))
        table = controls.FIELDS.index("overrides")
        values[table] = values[table] or [["", "", ""]]
        return values

    def run(self, keys: Any, *given: Any) -> Iterator[list[Any]]:
        """Run the plan in the form; the page changes while it runs."""
        skipped = [gr.skip()] * 16
        updates = handlers.run(self.engine, given)
        while True:
            try:
                update = next(updates)
            except StopIteration:
                return
            except CompressionError as error:
                # An error would be written over every result; a refusal changes nothing.
                gr.Warning(str(error), duration=12)
                yield [render.failure(str(error)), *skipped[1:]]
                return
            except GeneratorExit:
                updates.close()
                raise
            row = list(skipped)
            for place, value in ((0, update.status), (1, update.log), (2, update.writing)):
                if value is not None:
                    row[place] = value
            if update.finished is not None:
                record = update.finished
                known = keys if isinstance(keys, list) else []
                mine = [record.key, *(key for key in known if key != record.key)]
                mine = mine[: handlers.MAX_RUNS]
                shown = result_panel.show(self.engine, mine, record)
                row[2:6] = [shown[4], mine, record.key, Plan.from_json(record.plan).to_query()]
                row[6:] = [*shown[:4], *shown[5:]]
            yield row

    def select(self, keys: Any, current: Any, event: gr.SelectData) -> list[Any]:
        """Show the run whose line was clicked."""
        own, landmarks = result_panel.neighbours(
            self.engine, keys, handlers.lookup(self.engine, current)
        )
        records = [*own, *landmarks]
        row = event.index[0] if isinstance(event.index, list | tuple) else event.index
        if not isinstance(row, int) or not 0 <= row < len(records):
            return [gr.skip()] * 12
        shown = result_panel.show(self.engine, keys, records[row])
        shown[3] = gr.skip()
        return [records[row].key, *shown]

    def overlay(self, others: Any, current: Any) -> Any:
        """Lay other runs' direction errors over the shown one's."""
        wanted = [current, *(others if isinstance(others, list) else [])][:5]
        found = [handlers.lookup(self.engine, key) for key in wanted]
        return plots.direction_histogram(
            [record for record in found if record is not None], texts.NO_DIRECTION
        )

    def csv(self, keys: Any, current: Any) -> str:
        """Write the runs to a file for download."""
        own, landmarks = result_panel.neighbours(
            self.engine, keys, handlers.lookup(self.engine, current)
        )
        return _file("runs.csv", handlers.to_csv([*own, *landmarks]))

    def json(self, current: Any) -> str:
        """Write the shown run to a file for download."""
        record = handlers.lookup(self.engine, current)
        if record is None:
            raise gr.Error(texts.NO_LANDMARKS)
        return _file(f"run-{record.key}.json", handlers.to_json(record))


def launch(
    host: str | None = None, port: int | None = None, *, as_json: bool = False, block: bool = True
) -> gr.Blocks:
    """Build the page, serve it, and load the default model behind it.

    Args:
        host: Address to listen on; GRADIO_SERVER_NAME or this machine only if None.
        port: GRADIO_SERVER_PORT or 7860 if None.
        as_json: Write the address to stdout as JSON.
        block: Serve until stopped.
    """
    page = Page()
    blocks = page.build()
    blocks.queue(api_open=False, max_size=64, default_concurrency_limit=8)
    try:
        _, address, _ = blocks.launch(
            server_name=host or os.environ.get("GRADIO_SERVER_NAME") or _usual_host(),
            server_port=port or int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
            theme=theme(),
            css=style(),
            share=False,
            show_error=False,
            max_file_size="1mb",
            allowed_paths=[],
            enable_monitoring=False,
            ssr_mode=False,
            footer_links=[],
            prevent_thread_lock=True,
            quiet=as_json,
        )
    except OSError as error:
        raise CompressionError(
            f"The page cannot be served: {error} Choose another port with --port."
        ) from error
    if as_json:
        sys.stdout.write(json.dumps({"url": address}) + "\n")
        sys.stdout.flush()
    page.engine.warm()
    if block:
        blocks.block_thread()
    return blocks


def _usual_host() -> str:
    """A Space is reached from outside its machine, a laptop is not."""
    return "0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1"


def _file(name: str, content: str) -> str:
    path = Path(tempfile.mkdtemp(prefix="compress-lab-")) / name
    path.write_text(content, encoding="utf-8")
    return str(path)
