"""Ordered parallel map over a thread pool, for many small CPU tasks.

One matrix of a small model cannot keep several cores busy, because many steps run on a single
core. `compress-lab bench workers` measures the speedup of compressing several at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import groupby, islice
from operator import mul
from typing import Generic, TypeVar

import torch

from compress_lib.errors import StoppedError
from compress_lib.utils.progress import Event, Report, subrange

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WORKERS = 4
"""Maximum number of concurrent items; each one has its working memory."""

AHEAD = 2
"""Items per worker that may be started or finished before the first result is consumed."""

_workers = ContextVar("workers", default=MOST_WORKERS)


@contextmanager
def limit_workers(workers: int) -> Iterator[None]:
    """Limit the number of concurrent items to `workers` within the context."""
    before = _workers.set(workers)
    try:
        yield
    finally:
        _workers.reset(before)


@dataclass(frozen=True)
class WorkItem(Generic[Item]):
    """An item with its relative cost.

    Attributes:
        item: Argument of the work function.
        size: Cost relative to the other items, in any unit.
        exclusive: Whether it needs all cores, or the model, to itself.
    """

    item: Item
    size: float
    exclusive: bool


def map_ordered(
    work: Callable[[Item, Report], Result],
    pieces: Sequence[WorkItem[Item]],
    report: Report,
) -> Generator[Result, None, None]:
    """Yield all results in order, running consecutive non-exclusive items in parallel.

    Args:
        work: Processes one item.
        pieces: The items.
        report: Receives the total progress from one thread at a time; may raise `StoppedError`.
    """
    total, done = sum(piece.size for piece in pieces), 0.0
    for exclusive, group in groupby(pieces, lambda piece: piece.exclusive):
        items = list(group)
        # An exclusive item is a batch of its own, started after the previous one has finished.
        for batch in [[piece] for piece in items] if exclusive else [items]:
            size = sum(piece.size for piece in batch)
            batch_report = subrange(report, done / total, (done + size) / total)
            with closing(map_parallel(work, batch, batch_report)) as results:
                yield from results
            done += size


def map_parallel(
    work: Callable[[Item, Report], Result], pieces: Sequence[WorkItem[Item]], report: Report
) -> Generator[Result, None, None]:
    """Yield all results in order while later items are being processed.

    Closing the generator stops all items at their next progress report.

    Args:
        work: Processes one item; it can be stopped whenever it reports progress.
        pieces: The items; `exclusive` is ignored.
        report: Receives the total progress from one thread at a time.

    Raises:
        Exception: Any exception raised by `work`, at the position of its item; later items are
            stopped.
    """
    threads = torch.get_num_threads()
    workers = min(threads, _workers.get(), len(pieces))
    joint = _JointProgress(report, [piece.size for piece in pieces])
    if workers < 2:
        for index, piece in enumerate(pieces):
            yield work(piece.item, joint.of(index))
            joint.finish(index)
        return
    pool, ready = _create_pool(workers, threads)
    remaining = enumerate(pieces)
    jobs: deque[Future[Result]] = deque()

    def process(index: int, item: Item) -> Result:
        result = work(item, joint.of(index))
        joint.finish(index)
        return result

    def submit(count: int) -> None:
        for index, piece in islice(remaining, count):
            jobs.append(pool.submit(process, index, piece.item))

    try:
        submit(workers * AHEAD)
        ready.wait()
        # Restore the setting, so that other new threads do not inherit the workers' value.
        torch.set_num_threads(threads)
        while jobs:
            result = jobs.popleft().result()
            submit(1)
            yield result
    finally:
        joint.stopped = True
        pool.shutdown(wait=True, cancel_futures=True)


def _create_pool(workers: int, threads: int) -> tuple[ThreadPoolExecutor, threading.Barrier]:
    """Return a pool whose workers split torch's `threads`, and the barrier of their start."""
    ready = threading.Barrier(workers + 1)

    def initialize() -> None:
        # A new thread inherits the latest setting on its first query, so query before setting.
        torch.get_num_threads()
        torch.set_num_threads(round(threads / workers))
        ready.wait()

    return ThreadPoolExecutor(workers, "matrix", initialize), ready


class _JointProgress:
    """Total progress of concurrent items; `StoppedError` from the callback stops all of them."""

    def __init__(self, report: Report, sizes: Sequence[float]) -> None:
        self.stopped = False
        self._report = report
        self._sizes = sizes
        self._fractions = [0.0] * len(sizes)
        self._lock = threading.Lock()

    def finish(self, index: int) -> None:
        """Count an item as done, whatever progress it reported."""
        with self._lock:
            self._fractions[index] = 1.0

    def of(self, index: int) -> Report:
        """Return the progress callback of one item."""

        def report_item(event: Event) -> None:
            with self._lock:
                if self.stopped:
                    raise StoppedError
                self._fractions[index] = max(self._fractions[index], event.fraction)
                done = sum(map(mul, self._fractions, self._sizes)) / sum(self._sizes)
                try:
                    self._report(replace(event, fraction=done))
                except StoppedError:
                    self.stopped = True
                    raise

        return report_item
