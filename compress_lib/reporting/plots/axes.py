"""What stands upwards in a chart of cost against size, and on which scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log10
from typing import Any

from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord
from compress_lib.utils.formatting import format_number, format_perplexity
from compress_lib.utils.translation import translate

MEASURES = ("perplexity", "kl", "top1", "speed")
"""What may stand over size: names of `METRICS`."""

SIZES = ("megabytes", "parameters")
"""What it may stand over: names of `METRICS`."""

SIZE_TITLES = {
    "megabytes": "Whole model (MB)",
    "parameters": "Whole model (million parameters, whatever bits each takes)",
}
"""In English; see `words.say`."""

LOGARITHMIC = ("perplexity", "kl")

FLOOR = 5e-4
"""By how much a perplexity may exceed the baseline's and still be drawn upon its line.

Texts of a few thousand tokens tell no smaller differences from chance.
"""

TICKS = (1.001, 1.01, 1.1, 2, 10, 100, 1_000, 10_000, 100_000)
"""Ratios of perplexities at the ticks."""


@dataclass(frozen=True)
class Scale:
    """One of `MEASURES` as an axis, over one of `SIZES` as another.

    Perplexity is drawn as what its ratio to the baseline exceeds 1 by, on a logarithmic scale: on
    one of perplexities, a run that costs nothing and one that costs a fifth would share a pixel
    wherever another run is a thousand times worse.
    """

    measure: str
    size: str = SIZES[0]

    @property
    def logarithmic(self) -> bool:
        """Whether zero has no place."""
        return self.measure in LOGARITHMIC

    @property
    def title(self) -> str:
        """What people read beside the axis."""
        metric = METRICS[self.measure]
        if self.measure == "perplexity":
            return translate("Perplexity ÷ baseline (log of what exceeds 1)")
        unit = translate("log scale") if self.logarithmic else metric.unit
        return f"{translate(metric.label)} ({unit})"

    def drawable(self, record: RunRecord) -> bool:
        """Tell whether a run has a place."""
        if record.metrics()[self.size] is None:
            return False
        if self.measure == "perplexity":
            return isfinite(record.perplexity.ratio)
        value = record.metrics()[self.measure]
        return value is not None and (value > 0 or not self.logarithmic)

    def height(self, record: RunRecord) -> float:
        """Return where a drawable run stands."""
        if self.measure == "perplexity":
            return max(record.perplexity.ratio - 1, FLOOR)
        return self._value(record)

    def cost(self, record: RunRecord) -> float:
        """Return a number that is lower the better a drawable run is."""
        value = self._value(record)
        return value if METRICS[self.measure].lower_is_better else -value

    def width(self, record: RunRecord) -> float:
        """Return where a drawable run stands along the size."""
        value = record.metrics()[self.size]
        assert value is not None
        return value

    def whole(self, record: RunRecord) -> float:
        """Return where the model stands as it came."""
        memory = record.memory
        counted = self.size == "parameters"
        return (memory.baseline_parameters if counted else memory.baseline_bytes) / 1e6

    def place(self, height: float) -> float:
        """Return where an annotation stands: on a logarithmic axis, at the logarithm."""
        return log10(height) if self.logarithmic else height

    def told(self, record: RunRecord) -> str:
        """Return a run's number in words."""
        value = self._value(record)
        if self.measure == "perplexity":
            times = translate("{ratio} × baseline").format(
                ratio=format_number(record.perplexity.ratio)
            )
            return f"{format_perplexity(value)}, {times}"
        return f"{value:.4g}"

    def baseline(self, record: RunRecord) -> tuple[float, str] | None:
        """Return height and number of the model as it came; None where that has no place."""
        heights = {"perplexity": FLOOR, "top1": 100.0, "speed": 1.0}
        height = heights.get(self.measure)
        if height is None:
            return None
        own = self.measure == "perplexity"
        return height, format_perplexity(record.perplexity.baseline) if own else f"{height:g}"

    def layout(self, heights: Sequence[float]) -> dict[str, Any]:
        """Return the axis, given where runs stand."""
        if not self.logarithmic:
            return {}
        if self.measure != "perplexity":
            # 0.01 nats are nobody's 10m.
            return {"type": "log", "dtick": 1, "tickformat": "~g"}
        top = max([*heights, 1.0])
        ticks = [tick for tick in TICKS if tick - 1 <= 2 * top]
        return {
            "type": "log",
            "range": [log10(FLOOR) - 0.25, log10(top) + 0.6],
            "tickvals": [tick - 1 for tick in ticks],
            "ticktext": [f"{tick:,g} ×" for tick in ticks],
        }

    def _value(self, record: RunRecord) -> float:
        value = record.metrics()[self.measure]
        assert value is not None
        return value
