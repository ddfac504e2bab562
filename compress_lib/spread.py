"""Several runs that differ in their seed only: means and standard deviations. Knows no torch."""

from __future__ import annotations

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


def spread(records: Sequence[RunRecord]) -> dict[str, Spread]:
    """Return the spread of every metric over runs, at least two; in the order of `METRICS`."""
    found: dict[str, Spread] = {}
    for name in METRICS:
        values = [value for record in records if (value := record.metrics()[name]) is not None]
        if len(values) > 1:
            found[name] = Spread(mean(values), stdev(values), len(values))
    return found
