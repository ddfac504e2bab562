"""Callback-to-generator adapter: code that calls back becomes a generator of what it reports."""

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
    """Yield each value that `work` passes to its callback; it waits until the next is asked for.

    The work has a thread of its own, but runs only while the consumer waits, so that they need no
    lock between them. Closing the generator raises `StoppedError` in the callback, and returns
    when the work has ended.

    Args:
        work: Called with the callback, which several of its threads may call.

    Returns:
        What the work returns.

    Raises:
        Exception: Whatever the work raises.
    """
    asked, answered, turn = Semaphore(0), Semaphore(0), Lock()
    values: list[T] = []
    stopped = False

    def wait() -> None:
        asked.acquire()
        if stopped:
            raise StoppedError

    def callback(value: T) -> None:
        with turn:
            # Work that calls back while it is being stopped has to end, too.
            if stopped:
                raise StoppedError
            values.append(value)
            answered.release()
            wait()

    def begin() -> R:
        wait()
        return work(callback)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=THREAD) as pool:
        done = pool.submit(copy_context().run, begin)
        done.add_done_callback(lambda future: answered.release())
        try:
            while True:
                asked.release()
                answered.acquire()
                if not values:
                    return done.result()
                yield values.pop()
        finally:
            stopped = True
            asked.release()
