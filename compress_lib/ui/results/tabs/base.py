"""Base class and registry of result tabs, and helpers for their events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import JOB, QUICK
from compress_lib.ui.common.messages import refusal
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.status import reporting_errors
from compress_lib.ui.results.selection import Shown
from compress_lib.utils.registry import Registry

TABS: Registry[ResultTab] = Registry("tab")
"""Tab classes by name; `result_tabs` returns them in display order."""

register = TABS.register


@dataclass(frozen=True)
class Wiring:
    """Page components and callbacks that the events of a tab use.

    Attributes:
        engine: Finds runs and runs jobs.
        keys: Component with the keys of the session's runs.
        current: Component with the key of the shown run.
        file: Component that passes a file to the browser.
        select: `select(listener, choose, kept)` shows the run that `choose` returns for an event,
            given the session's keys, the shown run's key and the event data. The optional
            component `kept` is not redrawn.
        restore: Like `select`, and also loads the run's plan into the form.
    """

    engine: Engine
    keys: Any
    current: Any
    file: Any
    select: Callable[..., None]
    restore: Callable[..., None]


def find_run(engine: Engine, key: Any) -> RunRecord:
    """Return the shown run.

    Args:
        engine: Finds runs.
        key: Key of the shown run.

    Raises:
        gr.Error: No run is shown.
    """
    record = session_runs.lookup(engine, key)
    if record is None:
        raise refusal(texts.NOTHING_SHOWN)
    return record


def follow_job(
    wiring: Wiring,
    triggers: Sequence[Any],
    work: Callable[..., Generator[tuple[str, dict[Any, Any]], None, None]],
    given: Sequence[Any],
    parts: tuple[Any, Any, Sequence[Any]],
) -> Any:
    """Connect events of a tab with a job that has its own status line and Stop button.

    Args:
        wiring: Provides the engine and the shown run.
        triggers: Events that start the job, such as a button's click.
        work: Given the shown run and the values of `given`, yields the status line as HTML and
            changes by component.
        given: Components whose values `work` takes.
        parts: The status component; the Stop button, visible while the job runs; and the
            components that `work` changes.

    Returns:
        The event, which other events can cancel.
    """
    status, stop, changed = parts
    # An update, because a `gr.Button` would add a component to the page.
    idle = gr.update(visible=False)

    def follow(record: RunRecord, *values: Any) -> Iterator[dict[Any, Any]]:
        try:
            with closing(work(record, *values)) as updates:
                for message, changes in updates:
                    yield {status: message, stop: gr.Button(visible=True), **changes}
            yield {stop: idle}
        except CompressionError as error:
            yield {status: html.failure(str(error)), stop: idle}

    def steps(current: Any, *values: Any) -> Iterator[dict[Any, Any]]:
        changes = follow(find_run(wiring.engine, current), *values)
        broken = {status: html.failure(texts.BROKEN), stop: idle}
        yield from reporting_errors(changes, broken)

    job = gr.on(triggers, steps, [wiring.current, *given], [status, stop, *changed], **JOB)
    stopped = (lambda: [html.status(texts.STOPPED), idle], None, [status, stop])
    # Repeated, because the last update of the job may arrive after the first call.
    stop.click(*stopped, cancels=[job], **QUICK).then(*stopped, **QUICK)
    return job


class ResultTab(ABC):
    """A tab of the results. Each page has one instance of every tab.

    Attributes:
        name: Identifier in code and in the ID of the HTML element.
        label: Label on the page.
        order: Sort key of the tabs.
        parts: Components by name; empty until the tab is built.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    order: ClassVar[int]

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}

    @abstractmethod
    def show(self, shown: Shown) -> Mapping[str, Any]:
        """Return the values of the parts for a run, by name; omitted parts stay unchanged."""

    @abstractmethod
    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Build the components of the tab with the values of `show`; return them by name."""

    def connect(self, wiring: Wiring) -> None:
        """Connect the events of the parts; by default there are none."""
        return None

    def fill(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Return values by component, as Gradio expects them from handlers."""
        return {self.parts[name]: value for name, value in values.items()}


def result_tabs() -> list[ResultTab]:
    """Return a new instance of every tab, in display order."""
    return [cls() for cls in sorted(TABS.values(), key=lambda cls: (cls.order, cls.name))]
