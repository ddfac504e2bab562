"""Generators that return something: what they yield in a loop, and what they return after it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Semaphore
from typing import Generic, TypeVar

from compress_lib.errors import StoppedError

T = TypeVar("T")
R = TypeVar("R")


class Returning(Generic[T, R]):
    """Yields what a generator yields; at its end, `value` is what it returned.

    Args:
        steps: The generator.
    """

    value: R

    def __init__(self, steps: Generator[T, None, R]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[T]:
        """Go through it, once."""
        self.value = yield from self._steps


THREAD = "stepwise"
"""What the threads are called."""


def stepwise(work: Callable[[Callable[[T], None]], R]) -> Generator[T, None, R]:
    """Yield what some work tells; it waits until the next is asked for.

    It has a thread of its own, but never runs at the same time as the one that asks: nothing it
    shares needs a lock. Closing the generator raises `StoppedError` where the work waits, and
    returns when it has ended.

    Args:
        work: Is given what it has to call with everything it tells.

    Returns:
        What the work returns.

    Raises:
        Exception: Whatever the work raises.
    """
    asked, answered = Semaphore(0), Semaphore(0)
    told: list[T] = []
    stopped = False

    def wait() -> None:
        asked.acquire()
        if stopped:
            raise StoppedError

    def tell(value: T) -> None:
        # Also what tells something while it is being stopped must come to an end.
        if stopped:
            raise StoppedError
        told.append(value)
        answered.release()
        wait()

    def begin() -> R:
        wait()
        return work(tell)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=THREAD) as pool:
        done = pool.submit(copy_context().run, begin)
        done.add_done_callback(lambda future: answered.release())
        try:
            while True:
                asked.release()
                answered.acquire()
                if not told:
                    return done.result()
                yield told.pop()
        finally:
            stopped = True
            asked.release()
