"""95% confidence intervals of perplexities and of spreads over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import mean, stdev

from compress_lib.results.metrics import METRICS
from compress_lib.results.records import PerplexityRecord, RunRecord
from compress_lib.utils.formatting import format_number

CONFIDENCE = 0.95
"""Confidence level of every interval."""

Ends = tuple[float, float]


@cache
def standard_errors(draws: int) -> float:
    """Return the half-width of a confidence interval in standard errors (Student's t).

    Args:
        draws: Number of text blocks behind the standard error, at least two. Four blocks
            estimate it poorly, so the result is 3.2 rather than 1.96.

    Source: Student 1908, "The Probable Error of a Mean".
    """
    from scipy.special import stdtrit

    return float(stdtrit(draws - 1, (1 + CONFIDENCE) / 2))


def interval_around(value: float, error: float, draws: int) -> Ends:
    """Return the confidence interval of a mean.

    Args:
        value: The mean.
        error: Its standard error.
        draws: The number of independent draws.
    """
    half_width = standard_errors(draws) * error
    return value - half_width, value + half_width


def perplexity_interval(perplexity: PerplexityRecord, which: str = "compressed") -> Ends | None:
    """Return the confidence interval of a perplexity, or None for a single block.

    The mean of −ln p is approximately normal over blocks, so the interval is computed for the
    logarithm and exponentiated.

    Args:
        perplexity: The record.
        which: `baseline`, `compressed` or `ratio`.
    """
    value: float = getattr(perplexity, which)
    error: float | None = getattr(perplexity, f"{which}_stderr")
    draws = len(perplexity.blocks)
    if error is None or draws < 2 or not math.isfinite(value) or not math.isfinite(error):
        return None
    low, high = interval_around(math.log(value), error / value, draws)
    return exponential(low), exponential(high)


def format_interval(perplexity: PerplexityRecord, which: str = "compressed") -> str:
    """Return ` (low to high)`, a suffix for the number; empty without an interval.

    Args:
        perplexity: The record.
        which: `baseline`, `compressed` or `ratio`.
    """
    ends = perplexity_interval(perplexity, which)
    return "" if ends is None else f" ({format_number(ends[0])} to {format_number(ends[1])})"


def exponential(value: float) -> float:
    """Return exp(value), or infinity on overflow."""
    return math.exp(value) if value < 700 else math.inf


@dataclass(frozen=True)
class SeedStatistics:
    """Mean and sample standard deviation (n − 1) of a metric over several runs."""

    mean: float
    deviation: float
    runs: int


def ratio_standard_error(sums: Sequence[float], counts: Sequence[int]) -> float | None:
    """Return the standard error of the ratio estimator Σ sums ÷ Σ counts; None for one draw.

    Args:
        sums: The sum of every independent draw.
        counts: The count of every draw.

    Source: Cochran 1977, Sampling Techniques, 6.3.
    """
    draws, total = len(sums), sum(counts)
    if draws < 2:
        return None
    ratio = sum(sums) / total
    squares = sum((s - ratio * count) ** 2 for s, count in zip(sums, counts, strict=True))
    return math.sqrt(squares * draws / (draws - 1)) / total


def seed_statistics(records: Sequence[RunRecord]) -> dict[str, SeedStatistics]:
    """Return the spread over runs of every metric with at least two values, in table order."""
    statistics: dict[str, SeedStatistics] = {}
    for name in METRICS:
        values = [value for record in records if (value := record.metrics()[name]) is not None]
        if len(values) > 1:
            statistics[name] = SeedStatistics(mean(values), stdev(values), len(values))
    return statistics
