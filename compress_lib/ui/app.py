"""Page layout and event wiring: form on the left, results on the right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.plan.plan import Plan
from compress_lib.results.records import RunRecord
from compress_lib.ui import learn_page, studies_page
from compress_lib.ui.api.endpoints import Endpoints
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import (
    FORM,
    PICTURES,
    PRIVATE,
    QUICK,
    SAVE_FILE,
    SHOW_RESULTS,
    WARNING,
)
from compress_lib.ui.common.messages import warn
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding, form, preview
from compress_lib.ui.form.events import FormEvents
from compress_lib.ui.form.map_events import MapEvents
from compress_lib.ui.form.model_choices import model_choices
from compress_lib.ui.page_load import Opening
from compress_lib.ui.results import panel as result_panel
from compress_lib.ui.results.selection import first_record, select_run
from compress_lib.ui.results.tabs import Wiring
from compress_lib.ui.results.tabs.compare import with_shown
from compress_lib.ui.run_controls import Runs, Session

KEPT_RUNS = "compress-lab-runs"
"""Browser storage key of the session's runs, also used as its secret.

Nothing is confidential there: anyone with the key of a run can open the run.
"""

SWEPT = ("model", "method", "keep")
"""Form fields that the sensitivity sweep over all matrices reads."""


class Page:
    """A page backed by one engine.

    Args:
        engine: Runs the plans; a new one if None.
    """

    panel: form.PlanPanel
    results: result_panel.ResultPanel
    studies: studies_page.StudiesPanel
    keys: gr.State
    kept: gr.BrowserState
    current: gr.State
    query: gr.Textbox
    file: gr.Textbox
    opening: Opening

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine()

    def build(self) -> gr.Blocks:
        """Lay out the page and connect its events; does not import torch."""
        first = preview.describe_plan(self.engine, Plan())
        with gr.Blocks(
            title=texts.TITLE, analytics_enabled=False, delete_cache=(3600, 7200)
        ) as blocks:
            gr.HTML(html.header(), elem_id="header", js_on_load=FORM + PICTURES)
            self.keys = gr.State([], time_to_live=session_runs.KEPT_SECONDS)
            # Stored in the browser, so that reopening the page restores the user's runs.
            self.kept = gr.BrowserState([], storage_key=KEPT_RUNS, secret=KEPT_RUNS)
            shown = first_record()
            self.current = gr.State(
                shown.key if shown else None, time_to_live=session_runs.KEPT_SECONDS
            )
            self.query = gr.Textbox(visible=False)
            self.file = gr.Textbox(visible=False)
            with gr.Tabs(elem_id="pages"):
                with gr.Tab(texts.LAB_TAB), gr.Row(elem_id="lab"):
                    with gr.Column(scale=4, min_width=330, elem_id="plan"):
                        self.panel = form.build(self.engine, first)
                    with gr.Column(scale=8, min_width=340):
                        self.results = result_panel.build(self.engine)
                with gr.Tab(texts.STUDIES_TAB, elem_id="studies"):
                    self.studies = studies_page.build()
                with gr.Tab(texts.LEARN_TAB, elem_id="learn"):
                    lessons = learn_page.build()
            self.opening = Opening(self.engine, self.panel, self.results, self.keys, self.current)
            self._connect_form(blocks)
            self._connect_results()
            Endpoints(self.engine).register()
            swept = [self.panel.fields[name] for name in SWEPT]
            if lessons is not None:
                learn_page.connect(lessons, self.opening.bring, self.keys, self.opening.outputs)
            studies_page.connect(self.studies, self.engine, swept, self.file, SAVE_FILE)
        built: gr.Blocks = blocks
        return built

    def _connect_form(self, blocks: gr.Blocks) -> None:
        chart = MapEvents(self.panel.map, self.engine, self.panel, self.current)
        chart.connect()
        tray = self.results.tabs["compare"].parts["tray"]
        beside = (tray, self.keys, self.current)
        link = (self.results.link, self.query)
        FormEvents(self.panel, self.engine, link, chart, beside).connect()
        self.results.compare.click(
            lambda *given: [with_shown(*given), gr.Tabs(selected="compare")],
            [tray, self.current],
            [tray, self.results.box],
            **WARNING,
        ).success(None, None, None, js=SHOW_RESULTS, **PRIVATE)
        found, ended = gr.State(0), gr.State(0)
        session = Session(self.engine, self.keys, self.current, self.query, found, ended)
        Runs(self.panel, self.results, session).connect()
        visit = [self.keys, self.kept]
        model = self.panel.fields["model"]
        # Models may have been downloaded since the page was built.
        blocks.load(lambda: gr.update(choices=model_choices()), None, model, **QUICK)
        blocks.load(self.opening.open, visit, self.opening.outputs, **WARNING)
        self.keys.change(lambda keys: keys, self.keys, self.kept, **QUICK)

    def _connect_results(self) -> None:
        restore = partial(self._select, restore=True)
        wiring = Wiring(self.engine, self.keys, self.current, self.file, self._select, restore)
        for tab in self.results.tabs.values():
            tab.connect(wiring)

    def _select(
        self,
        listener: Callable[..., Any],
        choose: Callable[..., Any],
        kept: Any = None,
        *,
        restore: bool = False,
    ) -> None:
        """Show the run that `choose` returns for an event; see `Wiring`."""

        # Gradio detects the event argument by its annotation.
        def select(keys: Any, current: Any, event: gr.SelectData) -> Any:
            return self._show_selected(keys, choose(keys, current, event), kept, restore=restore)

        def select_one(keys: Any, current: Any) -> Any:
            return self._show_selected(keys, choose(keys, current, None), kept, restore=restore)

        fields = self.panel.inputs if restore else ()
        selects = getattr(listener, "event_name", "") == "select"
        listener(
            select if selects else select_one,
            [self.keys, self.current],
            [self.current, self.panel.status, *fields, *self.results.parts()],
            **WARNING,
        ).success(None, None, None, js=SHOW_RESULTS, **PRIVATE)

    def _show_selected(
        self, keys: Any, record: RunRecord | None, kept: Any, *, restore: bool
    ) -> Any:
        if record is None:
            return gr.skip()
        shown = self.results.show(select_run(self.engine, keys, record))
        # Redrawing the clicked component would reset its sorting and scroll position.
        shown.pop(kept, None)
        filled = self._fill_form(record) if restore else {}
        message = html.status(texts.SHOWN_PLAN if filled else texts.SHOWN_OTHER)
        return {self.current: record.key, self.panel.status: message, **filled, **shown}

    def _fill_form(self, record: RunRecord) -> dict[Any, Any]:
        """Return the form values of a run's plan; empty if the form rejects the plan."""
        try:
            plan, complaint = binding.plan_for_form(record.plan)
        except CompressionError as error:
            warn(error)
            return {}
        if complaint:
            warn(complaint)
        return self.panel.fill(plan)
