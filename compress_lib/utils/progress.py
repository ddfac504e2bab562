"""Progress events of long-running work, delivered through a single callback.

The library calls `report(event)`, whatever the receiver. The callback may raise `StoppedError` to
stop the work at that point. Only one thread calls it at a time, but not necessarily the thread
that started the work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Event:
    """Progress of long-running work.

    Attributes:
        fraction: Completed fraction of the work, in [0, 1].
        message: Description of the current step.
    """

    fraction: float
    message: str


@dataclass(frozen=True)
class Milestone(Event):
    """An event that is worth a log line."""


@dataclass(frozen=True)
class TrainingProgress(Event):
    """Progress of a training loop.

    Attributes:
        epoch: Completed epochs.
        loss: Mean loss of the last epoch.
    """

    epoch: int
    loss: float


Report = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Discard an event."""


def subrange(report: Report, start: float, end: float) -> Report:
    """Return a callback that maps the fractions [0, 1] of a subtask to [start, end].

    Args:
        report: Callback of the parent task.
        start: Fraction of the parent task at which the subtask starts.
        end: Fraction of the parent task at which the subtask ends.
    """

    def report_subtask(event: Event) -> None:
        done = min(max(event.fraction, 0.0), 1.0)
        report(replace(event, fraction=start + (end - start) * done))

    return report_subtask


def with_message(report: Report, message: str) -> Report:
    """Return a callback that replaces each event by a plain `Event` with a fixed message.

    The events still give `report` the chance to stop the work.

    Args:
        report: Callback to forward to.
        message: Message of every event.
    """

    def report_plain(event: Event) -> None:
        report(Event(event.fraction, message))

    return report_plain


def serialize(report: Report) -> Report:
    """Return a thread-safe callback whose fraction never decreases."""
    lock, latest = threading.Lock(), 0.0

    def report_serially(event: Event) -> None:
        nonlocal latest
        with lock:
            if event.fraction < latest:
                event = replace(event, fraction=latest)
            latest = event.fraction
            report(event)

    return report_serially


class StepTimer:
    """Stopwatch for consecutive steps; `seconds` holds the duration of each by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def stop(self, name: str) -> None:
        """Record the current step under `name` and start the next one."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self._start, 3)
        self._start = now


class EtaEstimator:
    """Linear estimate of the remaining seconds from the completed fraction.

    Progress in the first half second is ignored: steps that fast, such as loading a cached model,
    do not predict the rest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._begin = (self._start, 0.0)

    def seconds(self, fraction: float) -> float | None:
        """Return the remaining seconds, or None at the end and while there is too little data."""
        now = self._clock()
        if now - self._start < 0.5:
            self._begin = now, fraction
        elapsed, done = now - self._begin[0], fraction - self._begin[1]
        if done < 0.02 or elapsed < 0.5 or fraction >= 1:
            return None
        return elapsed * (1.0 - fraction) / done
