"""Job queue in front of the single torch worker thread: bounded, observable, cancellable."""

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
"""Minimum seconds between two batches of events, to limit how often the browser redraws."""

HEARTBEAT = 0.4
"""Seconds between two checks of a job that reports no events."""


class JobQueue:
    """FIFO queue with one worker thread.

    Args:
        limits: Maximum number of jobs: `queued_jobs` in total and `jobs_each` per session.
        asker: Returns the ID of the session that submits a job, or None if unknown.

    Attributes:
        activity: Message of the running job.
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
        """Return the number of jobs, including the running one."""
        with self._lock:
            return len(self._jobs)

    def submit(self, job: Job) -> Job:
        """Append a job to the queue.

        Raises:
            CompressionError: The queue is full, or this session has too many jobs in it.
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
        # ZeroGPU reads the request of the submitting session from the context.
        job.future = self._thread.submit(copy_context().run, self._work, job)
        job.future.add_done_callback(lambda done: self._leave(job))
        return job

    def submit_background(self, task: Callable[[], None]) -> None:
        """Run a task that belongs to no job after the jobs that are queued already."""
        self._thread.submit(task)

    def follow(self, job: Job) -> Generator[list[Event], None, None]:
        """Yield batches of a job's events; an empty batch if there are none for a while.

        A batch arrives several times a second, so the generator can be closed at any time.
        Closing it stops the job.

        Raises:
            CompressionError: The job failed with this error.
        """
        assert job.future is not None
        try:
            last_batch = 0.0
            while not (job.future.done() and job.events.empty()):
                events: list[Event] = []
                with suppress(queue.Empty):
                    events.append(job.events.get(timeout=HEARTBEAT))
                    wait([job.future], timeout=last_batch + PACE - time.monotonic())
                last_batch = time.monotonic()
                while not job.events.empty():
                    events.append(job.events.get())
                yield events
            # Re-raises the exception of the task, including bugs.
            job.future.result()
        finally:
            self.stop(job)

    def stop(self, job: Job) -> None:
        """Stop a job: immediately if it is queued, else at its next report."""
        job.stop.set()
        if job.future is not None:
            job.future.cancel()

    def position(self, job: Job) -> int:
        """Return the number of jobs ahead of this one."""
        with self._lock:
            return self._jobs.index(job) if job in self._jobs else 0

    def close(self) -> None:
        """Wait for the running job and cancel all others."""
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
