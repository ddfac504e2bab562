"""The line of jobs before the one thread that does all torch work: visible, bounded, stoppable."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context

from compress_lib.errors import CompressionError
from compress_lib.ui.common import texts
from compress_lib.ui.engine.job import Job, nobody
from compress_lib.utils.progress import Event

PACE = 0.2
"""Seconds at least between two answers: what comes faster nobody reads, and a browser draws it."""

HEARTBEAT = 0.4
"""Seconds between looks at a job that has nothing to tell."""


class JobQueue:
    """Does one job after the other.

    Args:
        limits: `queued_jobs` that may wait, and `jobs_each` of one person.
        asker: Tells who asks for a job just now, None if nobody knows.

    Attributes:
        activity: What is being done.
        asker: As given.
    """

    def __init__(self, limits: Mapping[str, int], asker: Callable[[], str | None] = nobody) -> None:
        self.activity = ""
        self._limits = limits
        self.asker = asker
        self._jobs: list[Job] = []
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")

    def __len__(self) -> int:
        """How many jobs there are, with the one that is done now."""
        with self._lock:
            return len(self._jobs)

    def submit(self, job: Job) -> Job:
        """Put a job at the end.

        Raises:
            CompressionError: The line is full, or full of this person's jobs.
        """
        most, each = self._limits["queued_jobs"], self._limits["jobs_each"]
        job.owner = self.asker()
        with self._lock:
            if len(self._jobs) >= most:
                raise CompressionError(texts.BUSY.format(limit=most))
            same = sum(other.owner == job.owner for other in self._jobs)
            if job.owner is not None and same >= each:
                raise CompressionError(texts.BUSY_WITH_YOURS.format(limit=each))
            self._jobs.append(job)
        # Whoever lends a GPU asks in the context of the job whose request it serves.
        job.future = self._thread.submit(copy_context().run, self._work, job)
        job.future.add_done_callback(lambda done: self._leave(job))
        return job

    def submit_background(self, task: Callable[[], None]) -> None:
        """Do something that nobody asked for, after what is in the line already."""
        self._thread.submit(task)

    def follow(self, job: Job) -> Generator[list[Event], None, None]:
        """Yield the events of a job, as many at a time as there are; none where it is silent.

        Closing the generator stops the job, and so may whoever waits, several times a second.

        Raises:
            CompressionError: The job is refused.
        """
        assert job.future is not None
        try:
            told = 0.0
            while not (job.future.done() and job.events.empty()):
                events: list[Event] = []
                with suppress(queue.Empty):
                    events.append(job.events.get(timeout=HEARTBEAT))
                    wait([job.future], timeout=told + PACE - time.monotonic())
                told = time.monotonic()
                while not job.events.empty():
                    events.append(job.events.get())
                yield events
            # A refusal is raised here, and so is a bug, which nobody may swallow.
            job.future.result()
        finally:
            self.stop(job)

    def stop(self, job: Job) -> None:
        """End a job: at once while it waits, else at its next step."""
        job.stop.set()
        if job.future is not None:
            job.future.cancel()

    def position(self, job: Job) -> int:
        """How many jobs come before this one."""
        with self._lock:
            return self._jobs.index(job) if job in self._jobs else 0

    def close(self) -> None:
        """Wait for the job that is being done, and drop all others."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _leave(self, job: Job) -> None:
        with self._lock:
            self._jobs.remove(job)

    def _work(self, job: Job) -> None:
        def report(event: Event) -> None:
            job.report(event)
            self.activity = event.message

        try:
            job.task(report)
        finally:
            self.activity = ""
