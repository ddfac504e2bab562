"""Event handlers of Run, Run sweep and Stop; they stream a job's updates to the page."""

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
    """Engine and session components of a page.

    Attributes:
        engine: Runs the plans of all sessions.
        keys: Component with the keys of the session's runs.
        current: Component with the key of the shown run.
        query: Component with the shown run's plan as a query string, for the address bar.
        found: Component that changes when the metrics of a run become available.
        ended: Component that changes when a run ends.
    """

    engine: Engine
    keys: Any
    current: Any
    query: Any
    found: Any
    ended: Any


@dataclass(frozen=True)
class Runs:
    """Handlers that connect the form's buttons with the engine and the results."""

    panel: PlanPanel
    results: ResultPanel
    session: Session

    def connect(self) -> None:
        """Connect Run, Run sweep and Stop."""
        panel, results, session = self.panel, self.results, self.session
        methods, keeps, start = panel.sweep
        controls = [panel.status, *self._all_buttons()]
        state = [session.keys, session.current]
        text = list(results.tabs["text"].parts.values())
        live = [*text, *results.tabs["log"].parts.values()]
        outputs = [*controls, *live, *state, session.query, session.found, session.ended]
        completed = (self._complete, state, [results.headline, *text])
        address = {"fn": None, "inputs": session.query, "js": AFTER_RUN, **PRIVATE}
        running = []
        given = {*state, methods, keeps, *panel.inputs}
        for button, function in ((panel.run, self.run), (start, self.run_sweep)):
            clicked = button.click(function, given, outputs, **JOB)
            clicked.success(**address)
            # An exception ends the run without a final update.
            clicked.then(self._buttons, None, controls[1:], **QUICK)
            running.append(clicked)
        # A separate event, because later updates of the job would overwrite charts before they
        # are drawn. Texts that were generated meanwhile follow it.
        session.found.change(self._show, state, results.parts(), **QUICK).then(*completed, **QUICK)
        session.ended.change(*completed, **QUICK)
        stop_event = (self._stop, state, [*controls, results.headline, *text])
        stopped = panel.stop.click(*stop_event, cancels=running, **QUICK)
        # Repeated, because the last update of the run may arrive after the first call.
        stopped.then(*stop_event, **QUICK).then(**address)

    def run(self, given: Mapping[Any, Any]) -> Iterator[dict[Any, Any]]:
        """Run the plan in the form and yield changes of the page."""
        yield from self._report(given, lambda plan: [plan])

    def run_sweep(self, given: Mapping[Any, Any]) -> Iterator[dict[Any, Any]]:
        """Run the plan in the form with several methods at several sizes."""
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
        """Yield the updates of a job; measured runs join the session immediately."""
        panel, results = self.panel, self.results
        buttons = self._all_buttons()
        keys, current = given[self.session.keys], given[self.session.current]
        keys_so_far = list(keys) if isinstance(keys, list) else []
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
                        # The address bar stays unchanged until there is a run.
                        changes[self.session.query] = ""
                        changes |= dict(zip(buttons, self._buttons(busy=True), strict=True))
                    record = update.measured or update.finished
                    if record is not None and record.key != shown:
                        changes |= self._select(keys_so_far, record)
                        keys_so_far, shown = changes[self.session.keys], record.key
                    if update.measured is not None:
                        # Before the other results, because generated text follows.
                        changes |= self._text(update.measured.key)
                    if update.finished is not None:
                        changes[self.session.ended] = time.monotonic_ns()
                    if update.last:
                        changes |= dict(zip(buttons, self._buttons(), strict=True))
                    yield changes
        except CompressionError as error:
            # A gr.Error would cover all results, but the measured ones should stay visible.
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
        """Return the finished texts of a run, which replace partially generated ones."""
        record = session_runs.lookup(self.session.engine, current)
        if record is None:
            return {}
        return self.results.update("text", self.results.tabs["text"].show(Shown(record)))

    def _all_buttons(self) -> list[Any]:
        return [self.panel.run, self.panel.stop, self.panel.sweep[-1]]

    @staticmethod
    def _buttons(*, busy: bool = False) -> list[Any]:
        """Return updates of Run, Stop and Run sweep; either Run or Stop is enabled."""
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
            # A new value even if the same run is found again.
            self.session.found: time.monotonic_ns(),
        }

    def _show(self, keys: Any, current: Any) -> dict[Any, Any]:
        """Show the measured run, without its texts while they are being generated."""
        shown = self._now(keys, current)
        changes = self.results.show(shown)
        if shown.record is not None and not shown.record.answered:
            for part in self.results.tabs["text"].parts.values():
                changes.pop(part, None)
        return changes

    def _complete(self, keys: Any, current: Any) -> Any:
        """Show the generated texts of the run that is displayed now."""
        shown = self._now(keys, current)
        answered = shown.record is not None and shown.record.answered
        return self.results.complete(shown) if answered else gr.skip()

    def _now(self, keys: Any, current: Any) -> Shown:
        engine = self.session.engine
        return select_run(engine, keys, session_runs.lookup(engine, current))
