"""Parallel map: ordering, progress, cancellation, and equality with sequential results."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import torch

from compress_lib.compression.compress import compress_at_once
from compress_lib.errors import StoppedError
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.utils.parallel import WorkItem, limit_workers, map_ordered, map_parallel
from compress_lib.utils.paths import ROOT
from compress_lib.utils.progress import Event, Report, ignore
from tests.support.tiny import tiny_model


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def named(item: int, report: Report) -> str:
    report(Event(0.5, str(item)))
    return threading.current_thread().name


def test_results_come_in_order_whoever_is_first() -> None:
    def work(item: int, report: Report) -> int:
        time.sleep(0.02 * (3 - item % 3))
        return item

    assert list(map_ordered(work, pieces(7), ignore)) == list(range(7))
    assert list(map_ordered(work, [], ignore)) == []


def test_two_are_done_at_once() -> None:
    both = threading.Barrier(2)

    def work(item: int, report: Report) -> int:
        return both.wait(timeout=10)

    assert sorted(map_parallel(work, pieces(2), ignore)) == [0, 1]


def pieces(count: int) -> list[WorkItem[int]]:
    return [WorkItem(item, 1.0, exclusive=False) for item in range(count)]


def test_what_wants_all_cores_is_done_where_it_was_asked_for() -> None:
    here = threading.current_thread().name
    mixed = [WorkItem(item, 1.0, exclusive=item == 2) for item in range(5)]
    places = list(map_ordered(named, mixed, ignore))
    assert [place == here for place in places] == [False, False, True, False, False]
    with limit_workers(1):
        assert set(map_ordered(named, mixed, ignore)) == {here}


def test_progress_counts_what_is_done_and_is_told_by_one_at_a_time() -> None:
    fractions: list[float] = []
    inside = threading.Lock()

    def report(event: Event) -> None:
        assert inside.acquire(blocking=False)
        time.sleep(0.001)
        fractions.append(event.fraction)
        inside.release()

    sizes = [4.0, 4.0, 2.0]
    several = [WorkItem(item, size, exclusive=item == 2) for item, size in enumerate(sizes)]
    list(map_ordered(named, several, report))
    # Half of each of the first two, in either order; then both plus half of the last.
    assert fractions[0] == pytest.approx(0.2)
    assert fractions[1] == pytest.approx(0.4) or fractions[1] == pytest.approx(0.6)
    assert fractions[2] == pytest.approx(0.9)


def held(item: int, report: Report) -> int:
    """Return immediately for item 0; otherwise run until stopped."""
    while item:
        report(Event(0.0, "running"))
        time.sleep(0.001)
    return item


def test_a_failure_stands_at_the_place_of_its_item_and_ends_the_rest() -> None:
    started: list[int] = []

    def work(item: int, report: Report) -> int:
        started.append(item)
        if item == 1:
            raise ValueError("broken")
        return held(item, report)

    results = map_parallel(work, pieces(500), ignore)
    assert next(results) == 0
    with pytest.raises(ValueError, match="broken"):
        next(results)
    assert len(started) < 10


def test_little_is_begun_before_anyone_wants_it() -> None:
    started: list[int] = []

    def work(item: int, report: Report) -> int:
        started.append(item)
        return item

    results = map_parallel(work, pieces(500), ignore)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    time.sleep(0.1)
    assert len(started) < 10
    results.close()


def test_closing_stops_those_that_are_being_done() -> None:
    started, stopped = threading.Event(), threading.Event()

    def work(item: int, report: Report) -> int:
        if not item:
            assert started.wait(timeout=10)
            return item
        started.set()
        try:
            return held(item, report)
        except StoppedError:
            stopped.set()
            raise

    results = map_parallel(work, pieces(2), ignore)
    assert next(results) == 0
    results.close()
    assert stopped.is_set()


def test_whoever_listens_can_stop_all_of_it() -> None:
    def stop(event: Event) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        list(map_parallel(held, pieces(50)[1:], stop))


def test_methods_are_loaded_once_by_several_threads() -> None:
    """Runs in a fresh process, so that several threads import packages with circular imports."""
    code = (
        "import torch; torch.set_num_threads(2); from tests.support.tiny import tiny_model; "
        "from compress_lib.plan.allocation import allocate; "
        "from compress_lib.plan.plan import Plan, Rule; "
        "from compress_lib.compression.compress import compress_at_once; model = tiny_model(); "
        "rule = Rule(pattern='*layers*', method='tucker', keep=0.5, group='concatenated'); "
        "compress_at_once(model, allocate(Plan(model='tiny', rules=(rule,)), model.targets))"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_threads_are_as_many_as_before() -> None:
    def threads(item: int, report: Report) -> int:
        return torch.get_num_threads()

    counts = map_parallel(threads, pieces(2), ignore)
    assert next(counts) == 1
    others: list[int] = []
    thread = threading.Thread(target=lambda: others.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert others == [torch.get_num_threads()] == [2]
    assert list(counts) == [1]


def test_a_model_is_compressed_as_one_by_one() -> None:
    model = tiny_model()
    plan = Plan(model="tiny", rules=(Rule(pattern="*layers*", method="svd", keep=0.5),))
    assignments = allocate(plan, model.targets)
    several, _ = compress_at_once(model, assignments)
    with limit_workers(1):
        single, _ = compress_at_once(model, assignments)
    assert [done.record.names for done in several] == [done.record.names for done in single]
    for one, other in zip(several, single, strict=True):
        assert torch.allclose(one.matrix.to_dense(), other.matrix.to_dense(), atol=1e-5)
