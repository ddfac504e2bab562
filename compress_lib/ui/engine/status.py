"""Job status line: queue position, progress and remaining time."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from compress_lib.ui.common import html, texts
from compress_lib.ui.engine.job import Job
from compress_lib.ui.engine.queue import JobQueue
from compress_lib.utils.progress import EtaEstimator, Event, TrainingProgress


class JobStatus:
    """Status line of a job, updated by its events.

    Attributes:
        html: The status line.
        losses: Loss per epoch of the current training; empty if there is none.
    """

    def __init__(self) -> None:
        self.html = html.status(texts.STARTING, 0.0)
        self.losses: list[float] = []
        self._fraction = 0.0
        self._left = EtaEstimator()

    def update(self, event: Event) -> None:
        """Update the line from an event; the progress never decreases."""
        self._fraction = max(self._fraction, event.fraction)
        self._add_loss(event)
        left = self._left.seconds(self._fraction)
        self.html = html.status(event.message, self._fraction, left, self.losses)

    def wait(self, line: JobQueue, job: Job) -> None:
        """Show the queue position of a job that has not started.

        Args:
            line: The queue.
            job: The job.
        """
        if not self._fraction:
            ahead = line.position(job)
            # The activity of other sessions' jobs is private.
            waiting = texts.WAITING.format(ahead=ahead)
            self.html = html.status(waiting if ahead else line.activity, 0.0)

    def _add_loss(self, event: Event) -> None:
        if not isinstance(event, TrainingProgress):
            self.losses = []
            return
        # Truncate when training of the next weight starts or an epoch is reported again.
        self.losses = [*self.losses[: event.epoch - 1], event.loss]


def follow(line: JobQueue, job: Job) -> Generator[tuple[str, list[Event]], None, None]:
    """Yield the status line of a job with its new events, several times a second.

    The line is repeated if nothing is new, because a generator can only be closed when it yields.
    Closing it stops the job and lets the next one start.

    Args:
        line: The queue.
        job: A submitted job.

    Raises:
        CompressionError: The job failed with this error.
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
    """Yield the status line of a job until it is done, ignoring its events.

    Args:
        line: The queue.
        job: A submitted job.

    Raises:
        CompressionError: The job failed with this error.
    """
    with closing(follow(line, job)) as steps:
        for status, _ in steps:
            yield status, None


def reporting_errors(
    changes: Iterator[dict[Any, Any]], said: dict[Any, Any]
) -> Iterator[dict[Any, Any]]:
    """Forward the changes of a handler; on an exception, yield a message and re-raise.

    Gradio's own failure listener is not used, because in 6.31 it also fires on every Stop.

    Args:
        changes: Changes by component; the handler reports `CompressionError` itself.
        said: Changes that show an internal error; the server log has the traceback.
    """
    try:
        yield from changes
    except Exception:
        yield said
        raise
