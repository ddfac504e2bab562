"""Run, the sweep and Stop: what a job tells is shown while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import to_query
from compress_lib.results.records import RunRecord
from compress_lib.ui import job_updates
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import AFTER_RUN, JOB, PRIVATE, QUICK
from compress_lib.ui.common.messages import warn
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.status import reporting_errors
from compress_lib.ui.form.form import PlanPanel
from compress_lib.ui.results.panel import ResultPanel
from compress_lib.ui.results.selection import Shown, select_run
from compress_lib.ui.sweep import sweep_plans


@dataclass(frozen=True)
class Session:
    """What a person's visit consists of.

    Attributes:
        engine: Runs the plans of all visitors.
        keys: The component that holds the keys of one's runs.
        current: That with the key of the shown run.
        query: That with the shown run's plan, for the address.
        found: That which changes whenever a job has found the numbers of a run.
        ended: That which changes whenever a run of a job has come to its end.
    """

    engine: Engine
    keys: Any
    current: Any
    query: Any
    found: Any
    ended: Any


@dataclass(frozen=True)
class Runs:
    """Connects the form's buttons with the engine and the results."""

    panel: PlanPanel
    results: ResultPanel
    session: Session

    def connect(self) -> None:
        """Connect Run, the sweep and Stop."""
        panel, results, session = self.panel, self.results, self.session
        methods, keeps, start = panel.sweep
        told = [panel.status, *self._all_buttons()]
        known = [session.keys, session.current]
        text = list(results.tabs["text"].parts.values())
        spoken = [*text, *results.tabs["log"].parts.values()]
        outputs = [*told, *spoken, *known, session.query, session.found, session.ended]
        completed = (self._complete, known, [results.headline, *text])
        address = {"fn": None, "inputs": session.query, "js": AFTER_RUN, **PRIVATE}
        running = []
        given = {*known, methods, keeps, *panel.inputs}
        for button, function in ((panel.run, self.run), (start, self.run_sweep)):
            clicked = button.click(function, given, outputs, **JOB)
            clicked.success(**address)
            # A bug ends the run without its last word.
            clicked.then(self._buttons, None, told[1:], **QUICK)
            running.append(clicked)
        # By an event of its own: whatever else a job tells would take charts that nobody has seen
        # yet away again. What was written meanwhile comes after it.
        session.found.change(self._show, known, results.parts(), **QUICK).then(*completed, **QUICK)
        session.ended.change(*completed, **QUICK)
        asked = (self._stop, known, [*told, results.headline, *text])
        stopped = panel.stop.click(*asked, cancels=running, **QUICK)
        # What the run sent just before may have come just after.
        stopped.then(*asked, **QUICK).then(**address)

    def run(self, given: Mapping[Any, Any]) -> Iterator[dict[Any, Any]]:
        """Run the plan in the form; the page changes while it runs."""
        yield from self._report(given, lambda plan: [plan])

    def run_sweep(self, given: Mapping[Any, Any]) -> Iterator[dict[Any, Any]]:
        """Run the plan in the form by several methods at several sizes."""
        methods, keeps, _ = self.panel.sweep
        yield from self._report(given, lambda plan: sweep_plans(plan, given[methods], given[keeps]))

    def _report(
        self, given: Mapping[Any, Any], plans_of: Callable[[Plan], list[Plan]]
    ) -> Iterator[dict[Any, Any]]:
        broken = {self.panel.status: html.failure(texts.BROKEN)}
        return reporting_errors(self._follow(given, plans_of), broken)

    def _follow(
        self, given: Mapping[Any, Any], plans_of: Callable[[Plan], list[Plan]]
    ) -> Iterator[dict[Any, Any]]:
        """Show the updates of a job; runs that are measured are the session's at once."""
        panel, results = self.panel, self.results
        buttons = self._all_buttons()
        keys, current = given[self.session.keys], given[self.session.current]
        known = list(keys) if isinstance(keys, list) else []
        shown = ""
        try:
            plans = plans_of(panel.read(given))
            with closing(job_updates.run_plans(self.session.engine, plans)) as updates:
                for position, update in enumerate(updates):
                    changes: dict[Any, Any] = {}
                    if update.log is not None:
                        changes |= results.update("log", {"lines": update.log})
                    if update.writing is not None:
                        changes |= results.update("text", {"texts": update.writing})
                    if update.status is not None:
                        changes[panel.status] = update.status
                    if position == 0:
                        # Nothing to put into the address until there is a run.
                        changes[self.session.query] = ""
                        changes |= dict(zip(buttons, self._buttons(busy=True), strict=True))
                    found = update.measured or update.finished
                    if found is not None and found.key != shown:
                        changes |= self._select(known, found)
                        known, shown = changes[self.session.keys], found.key
                    if update.measured is not None:
                        # Here, and not where the rest is shown: what is written comes after it.
                        changes |= self._text(update.measured.key)
                    if update.finished is not None:
                        changes[self.session.ended] = time.monotonic_ns()
                    if update.last:
                        changes |= dict(zip(buttons, self._buttons(), strict=True))
                    yield changes
        except CompressionError as error:
            # An error would be written over every result, and what was measured stays.
            warn(error)
            idle = dict(zip(buttons, self._buttons(), strict=True))
            yield {panel.status: html.failure(str(error)), **idle, **self._text(shown or current)}

    def _stop(self, keys: Any, current: Any) -> dict[Any, Any]:
        idle = dict(zip(self._all_buttons(), self._buttons(), strict=True))
        shown = self._now(keys, current)
        return {
            self.panel.status: html.status(texts.STOPPED),
            **idle,
            **self.results.complete(shown),
        }

    def _text(self, current: Any) -> dict[Any, Any]:
        """Return what both models wrote in the shown run, in place of what is half written."""
        record = session_runs.lookup(self.session.engine, current)
        if record is None:
            return {}
        return self.results.update("text", self.results.tabs["text"].show(Shown(record)))

    def _all_buttons(self) -> list[Any]:
        return [self.panel.run, self.panel.stop, self.panel.sweep[-1]]

    @staticmethod
    def _buttons(*, busy: bool = False) -> list[Any]:
        """Return Run, Stop and the sweep's button: one of the first two can be pressed."""
        label = texts.RUNNING if busy else texts.RUN
        return [
            gr.Button(label, interactive=not busy),
            gr.Button(interactive=busy),
            gr.Button(interactive=not busy),
        ]

    def _select(self, keys: Any, record: RunRecord) -> dict[Any, Any]:
        return {
            self.session.keys: session_runs.with_run(keys, record),
            self.session.current: record.key,
            self.session.query: to_query(record.plan),
            # Also where the same run is found again.
            self.session.found: time.monotonic_ns(),
        }

    def _show(self, keys: Any, current: Any) -> dict[Any, Any]:
        """Show the run that was found, but for the text while both models write it."""
        shown = self._now(keys, current)
        changes = self.results.show(shown)
        if shown.record is not None and not shown.record.answered:
            for part in self.results.tabs["text"].parts.values():
                changes.pop(part, None)
        return changes

    def _complete(self, keys: Any, current: Any) -> Any:
        """Show what both models wrote in the run that is looked at by then."""
        shown = self._now(keys, current)
        answered = shown.record is not None and shown.record.answered
        return self.results.complete(shown) if answered else gr.skip()

    def _now(self, keys: Any, current: Any) -> Shown:
        engine = self.session.engine
        return select_run(engine, keys, session_runs.lookup(engine, current))
