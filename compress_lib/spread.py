"""How far a number may be off: over draws, or over runs by several seeds. Knows no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from compress_lib.metrics import METRICS
from compress_lib.results import RunRecord


@dataclass(frozen=True)
class Spread:
    """A number over several runs; the deviation is that of a single run (n − 1)."""

    mean: float
    deviation: float
    runs: int


def ratio_error(sums: Sequence[float], counts: Sequence[int]) -> float | None:
    """Return the standard error of Σ sums ÷ Σ counts over independent draws; None for one draw.

    Source: a ratio of two sums, Cochran 1977, Sampling Techniques, 6.3.
    """
    draws, total = len(sums), sum(counts)
    if draws < 2:
        return None
    ratio = sum(sums) / total
    squares = sum((s - ratio * count) ** 2 for s, count in zip(sums, counts, strict=True))
    return math.sqrt(squares * draws / (draws - 1)) / total


def spread(records: Sequence[RunRecord]) -> dict[str, Spread]:
    """Return the spread of every metric over runs, at least two; in the order of `METRICS`."""
    found: dict[str, Spread] = {}
    for name in METRICS:
        values = [value for record in records if (value := record.metrics()[name]) is not None]
        if len(values) > 1:
            found[name] = Spread(mean(values), stdev(values), len(values))
    return found
