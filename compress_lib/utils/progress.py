"""Progress events: one callback through which long work reports how far it is.

The library calls `report(event)` and never knows who listens. The callback may raise
`StoppedError` to stop the work at that point. One thread at a time calls it, but not always the
one that started the work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Event:
    """A step of long work.

    Attributes:
        fraction: The share of the work that is done, in [0, 1].
        message: What is being done.
    """

    fraction: float
    message: str


@dataclass(frozen=True)
class Milestone(Event):
    """A step that is worth a line in a log."""


@dataclass(frozen=True)
class TrainingProgress(Event):
    """An epoch of a training loop.

    Attributes:
        epoch: Passes over the data so far.
        loss: The mean loss of the last one.
    """

    epoch: int
    loss: float


Report = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Discard an event."""


def subrange(report: Report, start: float, end: float) -> Report:
    """Map a part's own fractions [0, 1] onto [start, end] of the whole."""

    def part(event: Event) -> None:
        done = min(max(event.fraction, 0.0), 1.0)
        report(replace(event, fraction=start + (end - start) * done))

    return part


def with_message(report: Report, message: str) -> Report:
    """Report a part's steps under one message: each is a chance to stop, and no news."""

    def part(event: Event) -> None:
        report(Event(event.fraction, message))

    return part


def serialize(report: Report) -> Report:
    """Let threads report one at a time, and never let the fraction decrease."""
    lock, latest = threading.Lock(), 0.0

    def one_at_a_time(event: Event) -> None:
        nonlocal latest
        with lock:
            if event.fraction < latest:
                event = replace(event, fraction=latest)
            latest = event.fraction
            report(event)

    return one_at_a_time


class StepTimer:
    """Measures how long each step of a sequence takes, in `seconds`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def stop(self, name: str) -> None:
        """End a step; the next one begins."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self._start, 3)
        self._start = now


class EtaEstimator:
    """Estimates the seconds left from the share done so far.

    The first half second is left out: what is done within it, such as loading a cached model, says
    nothing about the rest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._begin = (self._start, 0.0)

    def seconds(self, fraction: float) -> float | None:
        """Return the seconds left, or None at the end and while too little is done to estimate."""
        now = self._clock()
        if now - self._start < 0.5:
            self._begin = now, fraction
        elapsed, done = now - self._begin[0], fraction - self._begin[1]
        if done < 0.02 or elapsed < 0.5 or fraction >= 1:
            return None
        return elapsed * (1.0 - fraction) / done
