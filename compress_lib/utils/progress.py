"""How long work reports itself: the library calls back, and never knows who listens.

A callback may raise `StoppedError` to stop the work at that point. It is called by one thread at a
time, but not always by the one that asked for the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the share that is done, in [0, 1], and what is being done."""


class Look(str):
    """What is being done, in words as any message, and how good a training is by now.

    Attributes:
        epoch: Passes over the data so far.
        loss: The mean loss of the last one.
    """

    epoch: int
    loss: float

    def __new__(cls, message: str, epoch: int = 0, loss: float = 0.0) -> Look:
        """Make the message; a copy from another process is given its numbers afterwards."""
        made = super().__new__(cls, message)
        made.epoch, made.loss = epoch, loss
        return made


def no_progress(fraction: float, message: str) -> None:
    """Listen to nothing."""


def span(progress: Progress, start: float, end: float) -> Progress:
    """Map a part's own [0, 1] onto [start, end] of the whole."""

    def part(fraction: float, message: str) -> None:
        progress(start + (end - start) * min(max(fraction, 0.0), 1.0), message)

    return part


def renamed(progress: Progress, message: str) -> Progress:
    """Tell of a part's steps by one name: a trial is no news, but it can be stopped."""

    def part(fraction: float, _: str) -> None:
        progress(fraction, message)

    return part


class Laps:
    """Notes how long each step took, in `seconds`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a step."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self._start, 3)
        self._start = now


class TimeLeft:
    """Estimates the seconds left from the share done so far.

    What is done within half a second, such as loading what is loaded, tells nothing of the rest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._begin = (self._start, 0.0)

    def seconds(self, fraction: float) -> float | None:
        """Return the seconds left, or None at the end and while too little is done to tell."""
        now = self._clock()
        if now - self._start < 0.5:
            self._begin = now, fraction
        elapsed, done = now - self._begin[0], fraction - self._begin[1]
        if done < 0.02 or elapsed < 0.5 or fraction >= 1:
            return None
        return elapsed * (1.0 - fraction) / done
