"""Jobs of the engine: a task, its event queue, and who submitted it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from compress_lib.errors import StoppedError
from compress_lib.utils.progress import Event, Report


@dataclass
class Job:
    """A task in the queue.

    Attributes:
        task: Called with where to report.
        events: What it reported and nobody has read yet, until `future` is done.
        stop: Set to make the next report raise `StoppedError`.
        future: Its result; None until it is submitted.
        owner: Who submitted it; None if unknown.
    """

    task: Callable[[Report], None]
    events: queue.Queue[Event] = field(default_factory=queue.Queue)
    stop: threading.Event = field(default_factory=threading.Event)
    future: Future[None] | None = None
    owner: str | None = None

    def report(self, event: Event) -> None:
        """Put an event into the queue.

        Raises:
            StoppedError: The job is to stop.
        """
        if self.stop.is_set():
            raise StoppedError
        self.events.put(event)


def nobody() -> None:
    """Return that it is unknown who asks."""
