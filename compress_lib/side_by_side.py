"""Several small pieces of work at once on a CPU, whose results come in order.

A matrix of a small model is too small to keep several cores busy: much of its time goes to steps
that one core does alone. `compress-lab bench workers` measures what several at once save.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Generic, TypeVar

import torch

from compress_lib.errors import StoppedError
from compress_lib.progress import Progress, span

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WORKERS = 4
"""Pieces of work at once at most: each holds what it needs in memory."""

_workers = ContextVar("workers", default=MOST_WORKERS)


@contextmanager
def at_most(workers: int) -> Iterator[None]:
    """Do no more than so many pieces of work at once."""
    before = _workers.set(workers)
    try:
        yield
    finally:
        _workers.reset(before)


@dataclass(frozen=True)
class Piece(Generic[Item]):
    """One piece of work.

    Attributes:
        item: What is to be done.
        size: How much of the whole it is, in any unit.
        alone: Whether it wants all cores, or the model, for itself.
    """

    item: Item
    size: float
    alone: bool


def in_order(
    work: Callable[[Item, Progress], Result],
    pieces: Sequence[Piece[Item]],
    progress: Progress,
) -> Generator[Result, None, None]:
    """Yield the result of every piece in order; neighbours that are small are done at once.

    Args:
        work: Does one piece.
        pieces: What is to be done.
        progress: Told about all of it; may raise `StoppedError`.
    """
    ends = list(accumulate(piece.size for piece in pieces))
    parts = [
        span(progress, (end - piece.size) / ends[-1], end / ends[-1])
        for piece, end in zip(pieces, ends, strict=True)
    ]
    for alone, run in groupby(zip(pieces, parts, strict=True), lambda pair: pair[0].alone):
        pairs = [(piece.item, part) for piece, part in run]
        if alone:
            for item, part in pairs:
                yield work(item, part)
        else:
            with closing(side_by_side(work, pairs)) as results:
                yield from results


def side_by_side(
    work: Callable[[Item, Progress], Result],
    pairs: Sequence[tuple[Item, Progress]],
) -> Generator[Result, None, None]:
    """Yield the result of every item in order, while later ones are worked on.

    Closing the generator stops all of them at their next step.

    Args:
        work: Does one item; told about progress, which may raise `StoppedError`.
        pairs: Each item, and who is told about it, by one worker at a time.

    Raises:
        Exception: Whatever the work raises, at the place of its item; later ones are stopped.
    """
    threads = torch.get_num_threads()
    workers = min(threads, _workers.get(), len(pairs))
    if workers < 2:
        for item, progress in pairs:
            yield work(item, progress)
        return
    lock, stopped = threading.Lock(), threading.Event()

    def one(item: Item, progress: Progress) -> Result:
        def tell(fraction: float, message: str) -> None:
            if stopped.is_set():
                raise StoppedError
            with lock:
                progress(fraction, message)

        return work(item, tell)

    pool = ThreadPoolExecutor(
        workers,
        thread_name_prefix="matrix",
        initializer=torch.set_num_threads,
        initargs=(threads // workers,),
    )
    try:
        jobs = [pool.submit(one, *pair) for pair in pairs]
        for job in jobs:
            yield job.result()
    finally:
        stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
        # Threads that begin later take the number that was set last, in whatever thread.
        torch.set_num_threads(threads)
