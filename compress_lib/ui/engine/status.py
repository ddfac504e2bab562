"""What a person reads of a job: its place in the line, how far it is, how long it will take."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from compress_lib.ui.common import html, texts
from compress_lib.ui.engine.job import Job
from compress_lib.ui.engine.queue import JobQueue
from compress_lib.utils.progress import EtaEstimator, Event, TrainingProgress


class JobStatus:
    """The line about a job, kept up to date by what the job tells.

    Attributes:
        html: The line.
        losses: Of the training that goes on, epoch by epoch; empty where nothing is trained.
    """

    def __init__(self) -> None:
        self.html = html.status(texts.STARTING, 0.0)
        self.losses: list[float] = []
        self._fraction = 0.0
        self._left = EtaEstimator()

    def update(self, event: Event) -> None:
        """Show how far the job is; it never goes back."""
        self._fraction = max(self._fraction, event.fraction)
        self._add_loss(event)
        left = self._left.seconds(self._fraction)
        self.html = html.status(event.message, self._fraction, left, self.losses)

    def wait(self, line: JobQueue, job: Job) -> None:
        """Say how many come before a job that has not begun, not what they do."""
        if not self._fraction:
            ahead = line.position(job)
            # What others run is theirs to tell.
            waiting = texts.WAITING.format(ahead=ahead)
            self.html = html.status(waiting if ahead else line.activity, 0.0)

    def _add_loss(self, event: Event) -> None:
        if not isinstance(event, TrainingProgress):
            self.losses = []
            return
        # The next weight begins, or the same epoch is reported again.
        self.losses = [*self.losses[: event.epoch - 1], event.loss]


def follow(line: JobQueue, job: Job) -> Generator[tuple[str, list[Event]], None, None]:
    """Yield the status line of a job several times a second, and the events since the last time.

    Where nothing is yielded, nothing can be stopped: the status is repeated if nothing is new.
    Closing the generator stops the job and lets the next one begin.

    Raises:
        CompressionError: The job is refused.
    """
    status = JobStatus()
    with closing(line.follow(job)) as steps:
        yield status.html, []
        for events in steps:
            for event in events:
                status.update(event)
            if not events:
                status.wait(line, job)
            yield status.html, events


def wait_for(line: JobQueue, job: Job) -> Generator[tuple[str, None], None, None]:
    """Yield the status line of a job whose events nobody needs, until it is done.

    Raises:
        CompressionError: The job is refused.
    """
    with closing(follow(line, job)) as steps:
        for status, _ in steps:
            yield status, None


def reporting_errors(
    changes: Iterator[dict[Any, Any]], said: dict[Any, Any]
) -> Iterator[dict[Any, Any]]:
    """Pass on what a handler yields; of a bug somebody is told before it is raised.

    Not by a listener of gradio's to failures: in 6.31 it hears of every Stop as well.

    Args:
        changes: By component; refusals are told of there.
        said: What a person sees of a bug; the server's log has the rest.
    """
    try:
        yield from changes
    except Exception:
        yield said
        raise
