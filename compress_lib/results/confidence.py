"""Between which ends a number lies, 95 times in 100. Knows no torch."""

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
"""How often an interval holds the truth."""

Ends = tuple[float, float]


@cache
def standard_errors(draws: int) -> float:
    """Return how many standard errors an interval reaches to either side.

    Args:
        draws: Blocks of text, two or more, from which the standard error was found. Four blocks
            tell it badly, which is why this is 3.2 for them and not 1.96.

    Source: Student 1908, "The Probable Error of a Mean".
    """
    from scipy.special import stdtrit

    return float(stdtrit(draws - 1, (1 + CONFIDENCE) / 2))


def interval_around(value: float, error: float, draws: int) -> Ends:
    """Return the ends of an interval around a mean with a standard error over draws."""
    reach = standard_errors(draws) * error
    return value - reach, value + reach


def perplexity_interval(perplexity: PerplexityRecord, which: str = "compressed") -> Ends | None:
    """Return the ends for `baseline`, `compressed` or `ratio`; None where one block gives none.

    What is normal over blocks is the mean of −ln p: the interval is that of the logarithm.
    """
    value: float = getattr(perplexity, which)
    error: float | None = getattr(perplexity, f"{which}_stderr")
    draws = len(perplexity.blocks)
    if error is None or draws < 2 or not math.isfinite(value) or not math.isfinite(error):
        return None
    low, high = interval_around(math.log(value), error / value, draws)
    return exponential(low), exponential(high)


def format_interval(perplexity: PerplexityRecord, which: str = "compressed") -> str:
    """Return ` (low to high)`, to stand behind a number; nothing where there is no interval."""
    ends = perplexity_interval(perplexity, which)
    return "" if ends is None else f" ({format_number(ends[0])} to {format_number(ends[1])})"


def exponential(value: float) -> float:
    """Return e to a power, infinity where that is too large for a number."""
    return math.exp(value) if value < 700 else math.inf


@dataclass(frozen=True)
class SeedStatistics:
    """A number over several runs; the deviation is that of a single run (n − 1)."""

    mean: float
    deviation: float
    runs: int


def ratio_standard_error(sums: Sequence[float], counts: Sequence[int]) -> float | None:
    """Return the standard error of Σ sums ÷ Σ counts over independent draws; None for one draw.

    Source: a ratio of two sums, Cochran 1977, Sampling Techniques, 6.3.
    """
    draws, total = len(sums), sum(counts)
    if draws < 2:
        return None
    ratio = sum(sums) / total
    squares = sum((s - ratio * count) ** 2 for s, count in zip(sums, counts, strict=True))
    return math.sqrt(squares * draws / (draws - 1)) / total


def seed_statistics(records: Sequence[RunRecord]) -> dict[str, SeedStatistics]:
    """Return the spread of every metric over runs, at least two; in the order of `METRICS`."""
    found: dict[str, SeedStatistics] = {}
    for name in METRICS:
        values = [value for record in records if (value := record.metrics()[name]) is not None]
        if len(values) > 1:
            found[name] = SeedStatistics(mean(values), stdev(values), len(values))
    return found
