"""Page load: restore the plan of a link and the runs of earlier visits."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import is_link, read_compared_plans
from compress_lib.results.landmarks import find_landmark, landmark_of
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.messages import warn
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding
from compress_lib.ui.form.form import PlanPanel
from compress_lib.ui.results.panel import ResultPanel
from compress_lib.ui.results.selection import first_record, select_run


class Opening:
    """Loads plans and runs from a link, the tour or an earlier visit.

    Args:
        engine: Finds runs.
        panel: The form.
        results: Panel that shows the run of a plan.
        keys: Component with the keys of the session's runs.
        current: Component with the key of the shown run.
    """

    def __init__(
        self, engine: Engine, panel: PlanPanel, results: ResultPanel, keys: Any, current: Any
    ) -> None:
        self.engine = engine
        self.panel = panel
        self.results = results
        self.keys = keys
        self.current = current

    @property
    def outputs(self) -> list[Any]:
        """Components that change when a plan is loaded."""
        session = [self.keys, self.current, self.panel.status]
        return [*self.panel.inputs, *session, self.results.box, *self.results.parts()]

    def open(self, keys: Any, kept: Any, request: gr.Request) -> dict[Any, Any]:
        """Fill the form from the page's URL, and show the run of that plan if there is one.

        Args:
            keys: Keys of the session's runs.
            kept: Keys of earlier runs, as stored by the browser.
            request: The request with the query string.
        """
        keys = self._restore_runs(keys, kept)
        pairs = getattr(request.query_params, "multi_items", request.query_params.items)()
        query = urlencode(list(pairs))
        plan, complaint = binding.first_plan(query)
        if complaint:
            warn(complaint)
            message = html.failure(f"{texts.LINK_BROKEN} {complaint}")
            return {**self.panel.fill(plan), **self._mine(keys), self.panel.status: message}
        if not is_link(query):
            return {**self.panel.fill(plan), **self._mine(keys)}
        beside = self._beside(query, plan)
        for run in beside:
            if not find_landmark(run.key):
                keys = session_runs.with_run(keys, run)
        return self._compare(self.bring(keys, plan), keys, beside)

    def _restore_runs(self, keys: Any, kept: Any) -> list[str]:
        """Return the keys of the session's runs and of earlier runs that still exist."""
        session_keys = keys if isinstance(keys, list) else []
        kept_keys = kept[: session_runs.MAX_RUNS] if isinstance(kept, list) else []
        try:
            runs = [session_runs.lookup(self.engine, key) for key in kept_keys]
        except CompressionError as error:
            warn(error)
            return session_keys
        return list(dict.fromkeys([*session_keys, *(run.key for run in runs if run is not None)]))

    def _mine(self, keys: list[str]) -> dict[Any, Any]:
        """Show the runs of earlier visits along with the default run, if there are any."""
        first = first_record()
        if not keys or first is None:
            return {}
        return {self.keys: keys, **self.results.show(select_run(self.engine, keys, first))}

    def _beside(self, query: str, plan: Plan) -> list[RunRecord]:
        """Return those runs of a link's comparison that exist here."""
        try:
            plans = read_compared_plans(query)
            index = self.engine.runs
            runs = {other.key: index.find_by_plan(other) or landmark_of(other) for other in plans}
        except CompressionError as error:
            warn(error)
            return []
        # A missing run of the link's own plan is reported elsewhere.
        missing = sum(run is None for key, run in runs.items() if key != plan.key)
        if missing:
            warn(texts.BESIDE_MISSING.format(count=missing))
        return [run for run in runs.values() if run is not None]

    def _compare(
        self, changes: dict[Any, Any], keys: list[str], beside: list[RunRecord]
    ) -> dict[Any, Any]:
        """Select runs for comparison; if the plan has no run, show the first of them."""
        own = session_runs.lookup(self.engine, changes.get(self.current))
        shown = own or next(iter(beside), None)
        if shown is None:
            return {**changes, **self._mine(keys)}
        if own is None:
            filled = self.results.show(select_run(self.engine, keys, shown))
            changes = {**changes, **filled, self.current: shown.key}
        kept = {self.keys: keys, **changes}
        first = shown if shown in beside else next(iter(beside), shown)
        chosen = [run.key for run in session_runs.comparable(beside, first)]
        if len(chosen) < 2:
            return kept
        tray = self.results.tabs["compare"].parts["tray"]
        words = session_runs.describe_source(own) if own else texts.PLAN_CHANGED
        message = html.status(f"{words} {texts.LINK_OPENED_BESIDE}")
        return {
            **kept,
            tray: {**changes[tray], "value": chosen},
            self.results.box: gr.Tabs(selected="compare"),
            self.panel.status: message,
        }

    def bring(self, keys: Any, plan: Plan) -> dict[Any, Any]:
        """Fill the form with a plan, and show its run if there is one."""
        filled = self.panel.fill(plan)
        try:
            own = self.engine.runs.find_by_plan(plan)
        except CompressionError as error:
            warn(error)
            return filled
        record = own or landmark_of(plan)
        if record is None:
            return {**filled, self.panel.status: html.status(texts.PLAN_CHANGED)}
        if own is not None:
            # A run of this server joins the session's runs.
            keys = session_runs.with_run(keys, own)
        return {
            **filled,
            **self.results.show(select_run(self.engine, keys, record)),
            self.keys: keys,
            self.current: record.key,
            self.panel.status: html.status(session_runs.describe_source(record)),
        }
