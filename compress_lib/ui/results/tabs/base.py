"""What a tab of the results is: its parts, what they show of a run, and what happens on a click."""

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
"""Every tab by name; use `result_tabs` for their order."""

register = TABS.register


@dataclass(frozen=True)
class Wiring:
    """What the events of a tab are connected to.

    Attributes:
        engine: Knows the runs.
        keys: The session's runs.
        current: The key of the shown run.
        file: Where a file waits for the browser to save it.
        select: Given a component's event and a function of the session's keys, the shown run's
            key and what was clicked, shows the run that the function returns; a component that
            is named besides stays as it is.
        restore: Does the same, and puts the run's plan into the form.
    """

    engine: Engine
    keys: Any
    current: Any
    file: Any
    select: Callable[..., None]
    restore: Callable[..., None]


def find_run(engine: Engine, key: Any) -> RunRecord:
    """Return the run that a file is to be made of.

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
    """Connect events of a tab with a job of its own, which a button of its own stops.

    Args:
        wiring: Knows the shown run.
        triggers: Events, such as a button's click.
        work: Given the shown run and the values of `given`, yields what is told of the job, and
            changes by component.
        given: Components whose values `work` takes.
        parts: Where the job is told of; the button that stops it, hidden while there is none; and
            the components that `work` changes.

    Returns:
        The event, for others to cancel.
    """
    status, stop, changed = parts
    idle = gr.Button(visible=False)

    def follow(record: RunRecord, *values: Any) -> Iterator[dict[Any, Any]]:
        try:
            with closing(work(record, *values)) as found:
                for told, changes in found:
                    yield {status: told, stop: gr.Button(visible=True), **changes}
            yield {stop: idle}
        except CompressionError as error:
            yield {status: html.failure(str(error)), stop: idle}

    def steps(current: Any, *values: Any) -> Iterator[dict[Any, Any]]:
        changes = follow(find_run(wiring.engine, current), *values)
        broken = {status: html.failure(texts.BROKEN), stop: idle}
        yield from reporting_errors(changes, broken)

    job = gr.on(triggers, steps, [wiring.current, *given], [status, stop, *changed], **JOB)
    said = (lambda: [html.status(texts.STOPPED), idle], None, [status, stop])
    # What the job sent just before may have come just after.
    stop.click(*said, cancels=[job], **QUICK).then(*said, **QUICK)
    return job


class ResultTab(ABC):
    """One tab beside the plan. A page makes one of each, which holds its components.

    Attributes:
        name: Names it in code, and its element in the page.
        label: What people read.
        order: Tabs stand in this order.
        parts: Its components by name, once it was built.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    order: ClassVar[int]

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}

    @abstractmethod
    def show(self, shown: Shown) -> Mapping[str, Any]:
        """Return what parts show of a run, by name; parts that are left out stay as they are."""

    @abstractmethod
    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make the components inside the tab, with the values of `show`; return them by name."""

    def connect(self, wiring: Wiring) -> None:
        """Connect the events of the parts."""
        return None

    def fill(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Return values by component, as gradio takes them."""
        return {self.parts[name]: value for name, value in values.items()}


def result_tabs() -> list[ResultTab]:
    """Return one of each tab, in their order."""
    return [cls() for cls in sorted(TABS.values(), key=lambda cls: (cls.order, cls.name))]
