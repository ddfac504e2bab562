"""Job of the engine: a task, its event queue and its owner."""

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
        task: Called with a progress callback.
        events: Reported events that are not read yet.
        stop: If set, the next report raises `StoppedError`.
        future: Completion of the task; None until the job is submitted.
        owner: ID of the session that submitted the job; None if unknown.
    """

    task: Callable[[Report], None]
    events: queue.Queue[Event] = field(default_factory=queue.Queue)
    stop: threading.Event = field(default_factory=threading.Event)
    future: Future[None] | None = None
    owner: str | None = None

    def report(self, event: Event) -> None:
        """Add an event to the queue.

        Raises:
            StoppedError: The job was stopped.
        """
        if self.stop.is_set():
            raise StoppedError
        self.events.put(event)


def nobody() -> None:
    """Return None: the session that submits a job is unknown."""
