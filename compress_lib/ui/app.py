"""The page: form on the left, results on the right, and what connects them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.landmarks import landmark_of
from compress_lib.links import is_link, plans_beside
from compress_lib.plan import Plan
from compress_lib.results import RunRecord
from compress_lib.ui import (
    controls,
    handlers,
    learn_panel,
    plan_panel,
    preview,
    render,
    result_panel,
    studies_panel,
    texts,
)
from compress_lib.ui.api import Endpoints
from compress_lib.ui.engine import Engine
from compress_lib.ui.form_events import FormEvents
from compress_lib.ui.map_events import MapEvents
from compress_lib.ui.running import Runs, Session
from compress_lib.ui.scripts import FORM, PRIVATE, QUICK, SAVE_FILE, SHOW_RESULTS
from compress_lib.ui.shown import first_record, shown_run
from compress_lib.ui.tabs import Wiring
from compress_lib.ui.tabs.compare import with_shown
from compress_lib.ui.telling import warn

SWEPT = ("model", "method", "keep")
"""Fields of the form that a sweep over all matrices takes from the plan."""


class Page:
    """One page over one engine.

    Args:
        engine: Runs the plans; a new one if None.
    """

    panel: plan_panel.PlanPanel
    results: result_panel.ResultPanel
    studies: studies_panel.StudiesPanel
    keys: gr.State
    current: gr.State
    query: gr.Textbox
    file: gr.Textbox

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine()

    def build(self) -> gr.Blocks:
        """Lay the page out and connect it; imports no torch."""
        first = preview.describe_plan(self.engine, Plan())
        with gr.Blocks(
            title=texts.TITLE, analytics_enabled=False, delete_cache=(3600, 7200)
        ) as blocks:
            gr.HTML(render.header(), elem_id="header", js_on_load=FORM)
            self.keys = gr.State([], time_to_live=handlers.KEPT_SECONDS)
            shown = first_record()
            self.current = gr.State(
                shown.key if shown else None, time_to_live=handlers.KEPT_SECONDS
            )
            self.query = gr.Textbox(visible=False)
            self.file = gr.Textbox(visible=False)
            with gr.Tabs(elem_id="pages"):
                with gr.Tab(texts.LAB_TAB), gr.Row(elem_id="lab"):
                    with gr.Column(scale=4, min_width=330, elem_id="plan"):
                        self.panel = plan_panel.build(self.engine, first)
                    with gr.Column(scale=8, min_width=340):
                        self.results = result_panel.build(self.engine)
                with gr.Tab(texts.STUDIES_TAB, elem_id="studies"):
                    self.studies = studies_panel.build()
                with gr.Tab(texts.LEARN_TAB, elem_id="learn"):
                    lessons = learn_panel.build()
            self._connect_form(blocks)
            self._connect_results()
            Endpoints(self.engine).register()
            swept = [self.panel.fields[controls.FIELDS.index(name)] for name in SWEPT]
            if lessons is not None:
                learn_panel.connect(lessons, self._brought, self.keys, self._opened())
            studies_panel.connect(self.studies, self.engine, swept, self.file, SAVE_FILE)
        built: gr.Blocks = blocks
        return built

    def _connect_form(self, blocks: gr.Blocks) -> None:
        chart = MapEvents(self.panel.map, self.engine, self.panel.fields, self.current)
        chart.connect()
        tray = self.results.tabs["compare"].parts["tray"]
        beside = (tray, self.keys, self.current)
        link = (self.results.link, self.query)
        FormEvents(self.panel, self.engine, link, chart, beside).connect()
        self.results.compare.click(
            lambda *given: [with_shown(*given), gr.Tabs(selected="compare")],
            [tray, self.current],
            [tray, self.results.box],
            **QUICK,
        ).success(None, None, None, js=SHOW_RESULTS, **PRIVATE)
        session = Session(self.engine, self.keys, self.current, self.query)
        Runs(self.panel, self.results, session).connect()
        blocks.load(self.open, self.keys, self._opened(), **QUICK)

    def _connect_results(self) -> None:
        restore = partial(self._select, restore=True)
        known = (self.engine, self.keys, self.current, self.file)
        wiring = Wiring(*known, self._select, restore)
        for tab in self.results.tabs.values():
            tab.connect(wiring)

    def open(self, keys: Any, request: gr.Request) -> dict[Any, Any]:
        """Fill the form from the page's address, and show the run of that plan if there is one."""
        pairs = getattr(request.query_params, "multi_items", request.query_params.items)()
        query = urlencode(list(pairs))
        plan, complaint = handlers.first_plan(query)
        if complaint:
            warn(complaint)
        if complaint or not is_link(query):
            return self._form(plan)
        beside = self._beside(query)
        for run in beside:
            keys = handlers.with_run(keys, run)
        return self._compared(self._brought(keys, plan), keys, beside)

    def _beside(self, query: str) -> list[RunRecord]:
        """Return the runs that a link compares with, as far as they are known here."""
        try:
            plans = plans_beside(query)
            found = [self.engine.ran(plan) or landmark_of(plan) for plan in plans]
        except CompressionError as error:
            warn(error)
            return []
        known = [run for run in found if run is not None]
        if len(known) < len(found):
            warn(texts.BESIDE_MISSING.format(count=len(found) - len(known)))
        return known

    def _compared(
        self, changes: dict[Any, Any], keys: Any, beside: list[RunRecord]
    ) -> dict[Any, Any]:
        """Put runs into the tray, the shown one last, where there is one that they stand beside."""
        shown = handlers.lookup(self.engine, changes.get(self.current))
        chosen = [run.key for run in handlers.comparable(beside, shown) if run != shown]
        if shown is None or not chosen:
            return changes
        tray = self.results.tabs["compare"].parts["tray"]
        put = {**changes[tray], "value": [*chosen, shown.key]}
        told = render.status(f"{handlers.stored_words(shown)} {texts.LINK_OPENED_BESIDE}")
        return {self.keys: keys, **changes, tray: put, self.panel.status: told}

    def _opened(self) -> list[Any]:
        """Return what changes when a plan is brought along."""
        return [
            *self.panel.fields,
            self.keys,
            self.current,
            self.panel.status,
            *self.results.parts(),
        ]

    def _brought(self, keys: Any, plan: Plan) -> dict[Any, Any]:
        """Fill the form with a plan that was brought along, and show its run if there is one."""
        filled = self._form(plan)
        try:
            own = self.engine.ran(plan)
        except CompressionError as error:
            warn(error)
            return filled
        record = own or landmark_of(plan)
        if record is None:
            return {**filled, self.panel.status: render.status(texts.NOT_YET_RUN)}
        if own is not None:
            # Somebody ran it here: from now on it is among the session's runs.
            keys = handlers.with_run(keys, own)
        return {
            **filled,
            **self.results.show(shown_run(self.engine, keys, record)),
            self.keys: keys,
            self.current: record.key,
            self.panel.status: render.status(handlers.stored_words(record)),
        }

    def _select(
        self,
        listener: Callable[..., Any],
        choose: Callable[..., Any],
        kept: Any = None,
        *,
        restore: bool = False,
    ) -> None:
        """Let an event show the run that `choose` returns for it; see `Wiring`."""

        # Gradio reads the annotation of the event from the signature.
        def chosen(keys: Any, current: Any, event: gr.SelectData) -> Any:
            return self._chosen(keys, choose(keys, current, event), kept, restore=restore)

        def clicked(keys: Any, current: Any) -> Any:
            return self._chosen(keys, choose(keys, current, None), kept, restore=restore)

        fields = self.panel.fields if restore else []
        selects = getattr(listener, "event_name", "") == "select"
        listener(
            chosen if selects else clicked,
            [self.keys, self.current],
            [self.current, self.panel.status, *fields, *self.results.parts()],
            **QUICK,
        ).success(None, None, None, js=SHOW_RESULTS, **PRIVATE)

    def _chosen(self, keys: Any, record: RunRecord | None, kept: Any, *, restore: bool) -> Any:
        if record is None:
            return gr.skip()
        shown = self.results.show(shown_run(self.engine, keys, record))
        # What was clicked stays as it is, sorted or scrolled.
        shown.pop(kept, None)
        filled = self._filled(record) if restore else {}
        said = render.status(texts.SHOWN_PLAN if filled else texts.SHOWN_OTHER)
        return {self.current: record.key, self.panel.status: said, **filled, **shown}

    def _filled(self, record: RunRecord) -> dict[Any, Any]:
        """Return the form for a run's plan; one that it refuses leaves it as it is."""
        try:
            plan, complaint = handlers.restored(Plan.from_json(record.plan))
        except CompressionError as error:
            warn(error)
            return {}
        if complaint:
            warn(complaint)
        return self._form(plan)

    def _form(self, plan: Plan) -> dict[Any, Any]:
        """Return what the form shows for a plan."""
        return dict(zip(self.panel.fields, controls.shown_values(plan), strict=True))
