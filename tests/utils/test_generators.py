"""`iterate_callbacks`: pausing, return values, exceptions and cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from compress_lib.errors import StoppedError
from compress_lib.utils.generators import THREAD, iterate_callbacks


def working() -> int:
    """Return the number of adapter threads; other tests may run threads of their own."""
    return sum(thread.name.startswith(THREAD) for thread in threading.enumerate())


def counting(log: list[str], last: int = 3) -> Callable[[Callable[[int], None]], str]:
    def work(callback: Callable[[int], None]) -> str:
        for number in range(last):
            log.append(f"made {number}")
            callback(number)
        return "done"

    return work


def test_it_goes_no_further_than_was_asked_for() -> None:
    log: list[str] = []
    steps = iterate_callbacks(counting(log))
    assert log == []
    for number in range(3):
        assert next(steps) == number
        assert log == [f"made {n}" for n in range(number + 1)]
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done"


def test_several_take_turns() -> None:
    log: list[str] = []
    pairs = zip(iterate_callbacks(counting(log)), iterate_callbacks(counting(log)), strict=True)
    assert list(pairs) == [(0, 0), (1, 1), (2, 2)]
    assert log == ["made 0", "made 0", "made 1", "made 1", "made 2", "made 2"]


def test_work_that_tells_nothing_has_a_result() -> None:
    with pytest.raises(StopIteration) as end:
        next(iterate_callbacks(lambda callback: 7))
    assert end.value.value == 7


def test_a_failure_comes_where_it_happens() -> None:
    def work(callback: Callable[[int], None]) -> None:
        callback(1)
        raise ValueError("broken")

    steps = iterate_callbacks(work)
    assert next(steps) == 1
    with pytest.raises(ValueError, match="broken"):
        next(steps)


def test_closing_stops_it_and_waits_for_its_end() -> None:
    log: list[str] = []

    def work(callback: Callable[[int], None]) -> None:
        try:
            counting(log)(callback)
        except StoppedError:
            log.append("stopped")
            raise

    steps = iterate_callbacks(work)
    next(steps)
    assert working() == 1
    steps.close()
    assert log == ["made 0", "stopped"]
    assert working() == 0
    # A generator that was never started has nothing to stop.
    iterate_callbacks(work).close()
    assert log == ["made 0", "stopped"]


def test_work_that_tells_something_while_it_is_stopped_ends_as_well() -> None:
    log: list[str] = []

    def work(callback: Callable[[int], None]) -> None:
        try:
            callback(1)
        finally:
            log.append("cleaning up")
            callback(2)

    steps = iterate_callbacks(work)
    next(steps)
    steps.close()
    assert log == ["cleaning up"]
    assert working() == 0


def test_it_works_in_the_context_of_who_asks() -> None:
    user: ContextVar[str] = ContextVar("user", default="default")
    user.set("caller")

    def work(callback: Callable[[str], None]) -> None:
        callback(user.get())

    assert list(iterate_callbacks(work)) == ["caller"]
