"""Callback-to-generator adapter: yield the values that a function passes to a callback."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Lock, Semaphore
from typing import TypeVar

from compress_lib.errors import StoppedError

T = TypeVar("T")
R = TypeVar("R")


THREAD = "callbacks"
"""Name prefix of the worker threads."""


def iterate_callbacks(work: Callable[[Callable[[T], None]], R]) -> Generator[T, None, R]:
    """Yield each value that `work` passes to its callback, pausing `work` between values.

    `work` runs in its own thread, but only while the consumer waits for the next value, so the
    two need no locking. Closing the generator raises `StoppedError` in the callback and waits for
    `work` to end.

    Args:
        work: Function that takes the callback; any number of its threads may call it.

    Returns:
        The return value of `work`, whose exceptions are raised here.
    """
    requested, ready, turn = Semaphore(0), Semaphore(0), Lock()
    values: list[T] = []
    stopped = False

    def wait() -> None:
        requested.acquire()
        if stopped:
            raise StoppedError

    def callback(value: T) -> None:
        with turn:
            # Also end work that calls back during its cleanup.
            if stopped:
                raise StoppedError
            values.append(value)
            ready.release()
            wait()

    def begin() -> R:
        wait()
        return work(callback)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=THREAD) as pool:
        done = pool.submit(copy_context().run, begin)
        done.add_done_callback(lambda future: ready.release())
        try:
            while True:
                requested.release()
                ready.acquire()
                if not values:
                    return done.result()
                yield values.pop()
        finally:
            stopped = True
            requested.release()
