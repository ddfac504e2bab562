"""Number formatting, progress events and remaining-time estimates."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_lib.errors import StoppedError
from compress_lib.utils.formatting import (
    format_bytes,
    format_left,
    format_perplexity,
    format_seconds,
)
from compress_lib.utils.progress import EtaEstimator, Event, ignore, subrange


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (99_950, "100 kB"),
        (269_060_552, "269 MB"),
        (999_499, "999 kB"),
        (999_999, "1 MB"),
        (999_999_999, "1 GB"),
        (12_300_000_000, "12.3 GB"),
        (5_000_000_000_000, "5000 GB"),
        (-2_000_000, "-2 MB"),
        (-500_000_000, "-500 MB"),
    ],
)
def test_bytes(nbytes: float, text: str) -> None:
    assert format_bytes(nbytes) == text


@given(st.floats(1, 1e14))
def test_bytes_are_right_to_a_percent_and_never_in_powers(nbytes: float) -> None:
    number, unit = format_bytes(nbytes).split()
    assert "e" not in number
    value = float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
    assert value == pytest.approx(nbytes, rel=0.01, abs=0.5)
    assert unit == "GB" or float(number) < 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.04, "0.0 s"),
        (4.24, "4.2 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (59.7, "1 min 0 s"),
        (60, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 0 min"),
        (3600, "1 h 0 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.00"),
        (21.487, "21.49"),
        (999.994, "999.99"),
        (999.999, "1,000"),
        (109_762.3, "109,762"),
        (71_623_249, "71,623,249"),
        (3.2e12, "3.2e+12"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_perplexity(value: float, text: str) -> None:
    assert format_perplexity(value) == text


# Progress.


def test_a_part_reports_its_share_of_the_whole() -> None:
    seen: list[tuple[float, str]] = []

    def report(event: Event) -> None:
        seen.append((event.fraction, event.message))

    part = subrange(report, 0.2, 0.6)
    for fraction in (0.0, 0.5, 1.0):
        part(Event(fraction, "working"))
    assert seen == [(0.2, "working"), (pytest.approx(0.4), "working"), (0.6, "working")]


@given(
    st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    st.floats(allow_nan=False),
)
def test_parts_of_parts_stay_inside(
    outer: list[float], inner: list[float], fraction: float
) -> None:
    seen: list[float] = []
    part = subrange(lambda event: seen.append(event.fraction), outer[0], outer[1])
    subrange(part, inner[0], inner[1])(Event(fraction, ""))
    assert outer[0] - 1e-12 <= seen[0] <= outer[1] + 1e-12


def test_a_listener_stops_the_work_through_every_part() -> None:
    def stop(event: Event) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        subrange(subrange(stop, 0, 0.5), 0, 0.5)(Event(0.1, "working"))
    ignore(Event(0.5, "nobody listens"))


def test_the_time_left_is_in_proportion_to_what_is_done() -> None:
    now = [100.0]
    left = EtaEstimator(lambda: now[0])
    assert left.seconds(0.01) is None
    now[0] = 110.0
    assert left.seconds(0.25) == pytest.approx(10 * 0.75 / 0.24)
    assert left.seconds(1.0) is None
    assert left.seconds(0.01) is None
    assert left.seconds(0.0) is None


def test_what_takes_no_time_tells_nothing_of_the_time_left() -> None:
    now = [100.0]
    left = EtaEstimator(lambda: now[0])
    now[0] = 100.4
    assert left.seconds(0.5) is None
    now[0] = 110.4
    assert left.seconds(0.6) == pytest.approx(40.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.1, "1 s"), (8.2, "9 s"), (59, "59 s"), (59.7, "1 min 0 s")]
)
def test_a_time_to_come_has_no_tenths(seconds: float, text: str) -> None:
    assert format_left(seconds) == text
