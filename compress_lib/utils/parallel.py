"""Several small pieces of work at once on a CPU, whose results come in order.

A matrix of a small model is too small to keep several cores busy: much of its time goes to steps
that one core does alone. `compress-lab bench workers` measures what several at once save.
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
"""Pieces of work at once at most: each holds what it needs in memory."""

AHEAD = 2
"""Pieces a worker that are begun, or done, before anyone has taken the first one's result."""

_workers = ContextVar("workers", default=MOST_WORKERS)


@contextmanager
def limit_workers(workers: int) -> Iterator[None]:
    """Do no more than so many pieces of work at once."""
    before = _workers.set(workers)
    try:
        yield
    finally:
        _workers.reset(before)


@dataclass(frozen=True)
class WorkItem(Generic[Item]):
    """One piece of work.

    Attributes:
        item: What is to be done.
        size: How much of the whole it is, in any unit.
        alone: Whether it wants all cores, or the model, for itself.
    """

    item: Item
    size: float
    exclusive: bool


def map_ordered(
    work: Callable[[Item, Report], Result],
    pieces: Sequence[WorkItem[Item]],
    report: Report,
) -> Generator[Result, None, None]:
    """Yield the result of every piece in order; neighbours that are small are done at once.

    Args:
        work: Does one piece.
        pieces: What is to be done.
        report: Told about all of it, by one thread at a time; may raise `StoppedError`.
    """
    total, done = sum(piece.size for piece in pieces), 0.0
    for alone, run in groupby(pieces, lambda piece: piece.exclusive):
        several = list(run)
        # What wants all cores is a run of its own, so that it begins where the last one ended.
        for together in [[piece] for piece in several] if alone else [several]:
            size = sum(piece.size for piece in together)
            part = subrange(report, done / total, (done + size) / total)
            with closing(map_parallel(work, together, part)) as results:
                yield from results
            done += size


def map_parallel(
    work: Callable[[Item, Report], Result], pieces: Sequence[WorkItem[Item]], report: Report
) -> Generator[Result, None, None]:
    """Yield the result of every piece in order, while later ones are worked on.

    Closing the generator stops all of them at their next step.

    Args:
        work: Does one piece; reports its progress, and may be stopped there.
        pieces: What is to be done.
        report: Told about all of it, by one thread at a time.

    Raises:
        Exception: Whatever the work raises, at the place of its piece; later ones are stopped.
    """
    threads = torch.get_num_threads()
    workers = min(threads, _workers.get(), len(pieces))
    joint = _JointProgress(report, [piece.size for piece in pieces])
    if workers < 2:
        for index, piece in enumerate(pieces):
            yield work(piece.item, joint.of(index))
            joint.finish(index)
        return
    ready = threading.Barrier(workers + 1)

    def begin() -> None:
        # A thread takes the number that was set last when it first asks; its own comes after.
        torch.get_num_threads()
        torch.set_num_threads(round(threads / workers))
        ready.wait()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="matrix", initializer=begin)
    left = enumerate(pieces)
    jobs: deque[Future[Result]] = deque()

    def one(index: int, item: Item) -> Result:
        result = work(item, joint.of(index))
        joint.finish(index)
        return result

    def submit(most: int) -> None:
        for index, piece in islice(left, most):
            jobs.append(pool.submit(one, index, piece.item))

    try:
        submit(workers * AHEAD)
        ready.wait()
        # So that no other thread takes the workers' number.
        torch.set_num_threads(threads)
        while jobs:
            result = jobs.popleft().result()
            submit(1)
            yield result
    finally:
        joint.stopped = True
        pool.shutdown(wait=True, cancel_futures=True)


class _JointProgress:
    """How far several pieces are together; who is told may stop all of them."""

    def __init__(self, report: Report, sizes: Sequence[float]) -> None:
        self.stopped = False
        self._report = report
        self._sizes = sizes
        self._fractions = [0.0] * len(sizes)
        self._lock = threading.Lock()

    def finish(self, index: int) -> None:
        """Count a piece as done, whatever it told."""
        with self._lock:
            self._fractions[index] = 1.0

    def of(self, index: int) -> Report:
        """Return who is told how far a piece is."""

        def part(event: Event) -> None:
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

        return part
