"""Axis scales of the quality vs. size chart, one per metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log10
from typing import Any

from compress_lib.results.metrics import METRICS, Metric
from compress_lib.results.records import RunRecord
from compress_lib.utils.formatting import format_number
from compress_lib.utils.translation import translate

MEASURES = tuple(name for name, metric in METRICS.items() if metric.axis)
"""Metrics of the y axis: names of `METRICS`."""

SIZES = ("megabytes", "parameters")
"""Metrics of the x axis: names of `METRICS`."""

SIZE_TITLES = {
    "megabytes": "Model size (MB)",
    "parameters": "Model size (million parameters)",
}
"""English titles of the x axis, keys of `translation.translate`."""

FLOOR = 5e-4
"""Lowest perplexity ÷ baseline − 1 on the axis; smaller values are drawn at the baseline.

Smaller differences are noise in texts of a few thousand tokens.
"""

TICKS = (1.001, 1.01, 1.1, 2, 10, 100, 1_000, 10_000, 100_000)
"""Tick positions as perplexity ÷ baseline."""


@dataclass(frozen=True)
class Scale:
    """One of `MEASURES` as the y axis, over one of `SIZES` as the x axis."""

    measure: str
    size: str = SIZES[0]

    @property
    def metric(self) -> Metric:
        """Return the metric of the y axis."""
        return METRICS[self.measure]

    @property
    def logarithmic(self) -> bool:
        """Whether the y axis is logarithmic, so that zero cannot be drawn."""
        return self.metric.axis != "linear"

    @property
    def title(self) -> str:
        """Return the title of the y axis."""
        unit = translate("log scale") if self.logarithmic else self.metric.unit
        return f"{translate(self.metric.label)} ({unit})"

    def drawable(self, record: RunRecord) -> bool:
        """Return whether a run has both coordinates."""
        return record.metrics()[self.size] is not None and self._has_height(record)

    def height(self, record: RunRecord) -> float:
        """Return the y coordinate of a drawable run."""
        return self._value(record)

    def cost(self, record: RunRecord) -> float:
        """Return the metric of a drawable run, negated if higher is better."""
        value = self._value(record)
        return value if self.metric.lower_is_better else -value

    def width(self, record: RunRecord) -> float:
        """Return the x coordinate of a drawable run."""
        value = record.metrics()[self.size]
        assert value is not None
        return value

    def whole(self, record: RunRecord) -> float:
        """Return the x coordinate of the uncompressed model."""
        memory = record.memory
        in_parameters = self.size == "parameters"
        return (memory.baseline_parameters if in_parameters else memory.baseline_bytes) / 1e6

    def place(self, height: float) -> float:
        """Return the y coordinate of an annotation: on a logarithmic axis, the logarithm."""
        return log10(height) if self.logarithmic else height

    def describe(self, record: RunRecord) -> str:
        """Return a run's value as text."""
        return f"{self._value(record):.4g}"

    def baseline(self, record: RunRecord) -> tuple[float, str] | None:
        """Return y coordinate and text of the uncompressed model, or None if it cannot be drawn."""
        height = self.metric.uncompressed
        return None if height is None else (height, f"{height:g}")

    def layout(self, heights: Sequence[float]) -> dict[str, Any]:
        """Return Plotly's settings of the y axis, given the runs' coordinates."""
        # "~g" writes 0.01 nats, not 10m.
        return {"type": "log", "dtick": 1, "tickformat": "~g"} if self.logarithmic else {}

    def _has_height(self, record: RunRecord) -> bool:
        value = record.metrics()[self.measure]
        return value is not None and (value > 0 or not self.logarithmic)

    def _value(self, record: RunRecord) -> float:
        value = record.metrics()[self.measure]
        assert value is not None
        return value


class ExcessScale(Scale):
    """Perplexity ÷ baseline − 1 on a logarithmic y axis.

    On a logarithmic axis of perplexity itself, an increase of 0% and one of 20% would share a pixel
    as soon as another run is a thousand times worse.
    """

    @property
    def title(self) -> str:
        """Return the title of the y axis."""
        return translate("Perplexity increase (log scale)")

    def height(self, record: RunRecord) -> float:
        """Return the y coordinate of a drawable run."""
        return max(record.perplexity.ratio - 1, FLOOR)

    def describe(self, record: RunRecord) -> str:
        """Return a run's perplexity and its ratio as text."""
        ratio = format_number(record.perplexity.ratio)
        times = translate("{ratio}× original").format(ratio=ratio)
        return f"{self.metric.number(self._value(record))}, {times}"

    def baseline(self, record: RunRecord) -> tuple[float, str] | None:
        """Return y coordinate and perplexity of the uncompressed model."""
        return FLOOR, self.metric.number(record.perplexity.baseline)

    def layout(self, heights: Sequence[float]) -> dict[str, Any]:
        """Return Plotly's settings of the y axis, with ticks at `TICKS`."""
        top = max([*heights, 1.0])
        ticks = [tick for tick in TICKS if tick - 1 <= 2 * top]
        return {
            "type": "log",
            "range": [log10(FLOOR) - 0.25, log10(top) + 0.6],
            "tickvals": [tick - 1 for tick in ticks],
            "ticktext": [
                f"+{100 * (tick - 1):g}%" if tick < 2 else f"{tick:,g}×" for tick in ticks
            ],
        }

    def _has_height(self, record: RunRecord) -> bool:
        return isfinite(record.perplexity.ratio)


def scale_of(measure: str, size: str = SIZES[0]) -> Scale:
    """Return the scale of one of `MEASURES` over one of `SIZES`."""
    scale = ExcessScale if METRICS[measure].axis == "excess" else Scale
    return scale(measure, size)
