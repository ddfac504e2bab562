"""Between which ends a number lies."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from compress_lib.results.confidence import (
    exponential,
    interval_around,
    perplexity_interval,
    standard_errors,
)
from compress_lib.results.records import BlockRecord, PerplexityRecord
from tests.support.compressed import run_record


def perplexity(blocks: int, error: float | None = 2.0) -> PerplexityRecord:
    return replace(
        run_record().perplexity,
        compressed=40.0,
        compressed_stderr=error,
        blocks=(BlockRecord(10, 37.0, 0.1),) * blocks,
    )


def test_few_blocks_reach_as_far_as_students_table_says() -> None:
    # Two-sided 5 % points of t with 1, 3 and 9 degrees of freedom, from any printed table.
    assert standard_errors(2) == pytest.approx(12.706, abs=1e-3)
    assert standard_errors(4) == pytest.approx(3.182, abs=1e-3)
    assert standard_errors(10) == pytest.approx(2.262, abs=1e-3)
    assert standard_errors(10_000) == pytest.approx(1.96, abs=1e-3)


def test_an_interval_lies_evenly_around_a_mean() -> None:
    assert interval_around(5.0, 1.0, 4) == pytest.approx((5 - 3.182, 5 + 3.182), abs=1e-3)
    assert interval_around(5.0, 0.0, 2) == (5.0, 5.0)


def test_that_of_a_perplexity_lies_evenly_around_its_logarithm() -> None:
    ends = perplexity_interval(perplexity(4))
    assert ends is not None
    assert ends[0] * ends[1] == pytest.approx(40.0**2)
    assert math.log(ends[1] / 40) == pytest.approx(3.182 * 2 / 40, abs=1e-4)
    assert ends[0] > 0


@pytest.mark.parametrize(
    "unknown", [perplexity(1), perplexity(0), perplexity(4, None), perplexity(4, math.inf)]
)
def test_where_blocks_tell_nothing_there_is_none(unknown: PerplexityRecord) -> None:
    assert perplexity_interval(unknown) is None


def test_what_is_beyond_any_number_is_infinite() -> None:
    assert exponential(1e6) == math.inf
    assert exponential(0.0) == 1.0
