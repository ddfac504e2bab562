"""How a page begins: with the plan of its address, and what was run before."""

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
    """Brings plans along, by a link, the tour or an earlier visit.

    Args:
        engine: Knows the runs.
        panel: The form.
        results: What shows the run of a plan.
        keys: The component that holds the keys of the session's runs.
        current: That with the key of the shown run.
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
        """What changes when a plan is brought along."""
        told = [self.keys, self.current, self.panel.status]
        return [*self.panel.inputs, *told, self.results.box, *self.results.parts()]

    def open(self, keys: Any, kept: Any, request: gr.Request) -> dict[Any, Any]:
        """Fill the form from the page's address, and show the run of that plan if there is one.

        Args:
            keys: The session's runs.
            kept: Those of earlier visits, as the browser knows them.
            request: With the address.
        """
        keys = self._restore_runs(keys, kept)
        pairs = getattr(request.query_params, "multi_items", request.query_params.items)()
        query = urlencode(list(pairs))
        plan, complaint = binding.first_plan(query)
        if complaint:
            warn(complaint)
        if complaint:
            said = html.failure(f"{texts.LINK_BROKEN} {complaint}")
            return {**self.panel.fill(plan), **self._mine(keys), self.panel.status: said}
        if not is_link(query):
            return {**self.panel.fill(plan), **self._mine(keys)}
        beside = self._beside(query, plan)
        for run in beside:
            if not find_landmark(run.key):
                keys = session_runs.with_run(keys, run)
        return self._compare(self.bring(keys, plan), keys, beside)

    def _restore_runs(self, keys: Any, kept: Any) -> list[str]:
        """Return the session's runs, and those of earlier visits that are still here."""
        known = keys if isinstance(keys, list) else []
        wanted = kept[: session_runs.MAX_RUNS] if isinstance(kept, list) else []
        try:
            found = [session_runs.lookup(self.engine, key) for key in wanted]
        except CompressionError as error:
            warn(error)
            return known
        return list(dict.fromkeys([*known, *(run.key for run in found if run is not None)]))

    def _mine(self, keys: list[str]) -> dict[Any, Any]:
        """Put the runs of earlier visits beside what a page begins with, if there are any."""
        first = first_record()
        if not keys or first is None:
            return {}
        return {self.keys: keys, **self.results.show(select_run(self.engine, keys, first))}

    def _beside(self, query: str, plan: Plan) -> list[RunRecord]:
        """Return the runs that a link compares, as far as they are known here."""
        try:
            plans = read_compared_plans(query)
            known = self.engine.runs
            found = {other.key: known.find_by_plan(other) or landmark_of(other) for other in plans}
        except CompressionError as error:
            warn(error)
            return []
        # That its own plan was not run here is said anyway.
        missing = sum(run is None for key, run in found.items() if key != plan.key)
        if missing:
            warn(texts.BESIDE_MISSING.format(count=missing))
        return [run for run in found.values() if run is not None]

    def _compare(
        self, changes: dict[Any, Any], keys: list[str], beside: list[RunRecord]
    ) -> dict[Any, Any]:
        """Show runs side by side; where the plan has none, the first of them is the shown one."""
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
        told = html.status(f"{words} {texts.LINK_OPENED_BESIDE}")
        return {
            **kept,
            tray: {**changes[tray], "value": chosen},
            self.results.box: gr.Tabs(selected="compare"),
            self.panel.status: told,
        }

    def bring(self, keys: Any, plan: Plan) -> dict[Any, Any]:
        """Fill the form with a plan that was brought along, and show its run if there is one."""
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
            # Somebody ran it here: from now on it is among the session's runs.
            keys = session_runs.with_run(keys, own)
        return {
            **filled,
            **self.results.show(select_run(self.engine, keys, record)),
            self.keys: keys,
            self.current: record.key,
            self.panel.status: html.status(session_runs.describe_source(record)),
        }
