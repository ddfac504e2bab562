"""What a person reads of a job: its place in the line, how far it is, how long it will take."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from compress_lib.ui.common import html, texts
from compress_lib.ui.engine.job import Job, ProgressNote
from compress_lib.ui.engine.queue import Line
from compress_lib.utils.progress import Look, TimeLeft


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
        self._left = TimeLeft()

    def progress(self, note: ProgressNote) -> None:
        """Say how far the job is; it never goes back."""
        self._fraction = max(self._fraction, note.fraction)
        self._trained(note.message)
        left = self._left.seconds(self._fraction)
        self.html = html.status(note.message, self._fraction, left, self.losses)

    def wait(self, line: Line, job: Job) -> None:
        """Say how many come before a job that has not begun, not what they do."""
        if not self._fraction:
            ahead = line.ahead(job)
            # What others run is theirs to tell.
            waiting = texts.WAITING.format(ahead=ahead)
            self.html = html.status(waiting if ahead else line.activity, 0.0)

    def _trained(self, message: str) -> None:
        if not isinstance(message, Look):
            self.losses = []
            return
        # The next weight begins, or the same epoch is told again.
        self.losses = [*self.losses[: message.epoch - 1], message.loss]


def followed(line: Line, job: Job) -> Generator[tuple[str, list[Any]], None, None]:
    """Yield the line about a job several times a second, and what else the job told meanwhile.

    Where nothing is yielded, nothing can be stopped: it is said again even if nothing is new.
    Closing the generator stops the job and lets the next one begin.

    Raises:
        CompressionError: The job is refused.
    """
    status = JobStatus()
    steps = line.follow(job)
    try:
        yield status.html, []
        for notes in steps:
            for note in notes:
                if isinstance(note, ProgressNote):
                    status.progress(note)
            if not notes:
                status.wait(line, job)
            yield status.html, [note for note in notes if not isinstance(note, ProgressNote)]
    finally:
        steps.close()


def waited_for(line: Line, job: Job) -> Generator[tuple[str, None], None, None]:
    """Yield the line about a job that tells nothing else, until it is done; see `followed`.

    Raises:
        CompressionError: The job is refused.
    """
    steps = followed(line, job)
    try:
        for status, _ in steps:
            yield status, None
    finally:
        steps.close()


def telling_bugs(
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
