"""The metric table: name, formula, better direction, number format and chart axis of each metric.

A new metric is an entry here, its computation in `RunRecord.metrics` and its translation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from compress_lib.utils.formatting import format_number, format_perplexity

Axis = Literal["linear", "logarithmic", "excess"]
"""How a chart draws a metric; `excess` is the logarithm of value ÷ baseline − 1."""


@dataclass(frozen=True)
class Metric:
    """A number that results show.

    Attributes:
        name: Its key in `RunRecord.metrics` or `TargetRecord.errors`.
        label: Its name on the page.
        unit: Its unit, or nothing.
        lower_is_better: Which way is better.
        meaning: One sentence with the formula.
        number: Formats a value without its unit.
        axis: How the chart of quality against size draws it; None where it is not drawn there.
        uncompressed: Its value for the uncompressed model, if that is the same for every model.
        on_card: Whether the summary of a run shows it.
        is_noisy: Whether repetitions of a run differ.
    """

    name: str
    label: str
    unit: str
    lower_is_better: bool
    meaning: str
    number: Callable[[float], str] = format_number
    axis: Axis | None = None
    uncompressed: float | None = None
    on_card: bool = False
    is_noisy: bool = False

    @property
    def arrow(self) -> str:
        """Return the arrow that points to better values."""
        return "↓" if self.lower_is_better else "↑"

    @property
    def suffix(self) -> str:
        """Return the unit with the space before it, if it takes one."""
        return self.unit if self.unit in ("", "%", "×") else f" {self.unit}"

    def format(self, value: float) -> str:
        """Return a value with its unit, e.g. `12.35`, `81.3%` or `0.023 nats`."""
        return f"{self.number(value)}{self.suffix}"


def _fixed(digits: int) -> Callable[[float], str]:
    """Format with `digits` behind the point, and one more where only one would be significant."""

    def render(value: float) -> str:
        return f"{value:,.{digits if abs(value) >= 10 ** (1 - digits) else digits + 1}f}"

    return render


def _megabytes(value: float) -> str:
    """Return megabytes as `format_bytes` rounds them."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "perplexity",
            "Perplexity",
            "",
            True,
            "exp(mean of −ln p(token) over predicted tokens): the effective number of equally "
            "likely next tokens.",
            number=format_perplexity,
            axis="excess",
            on_card=True,
        ),
        Metric(
            "perplexity_ratio",
            "Perplexity ratio",
            "×",
            True,
            "Compressed ÷ original perplexity on the same tokens.",
        ),
        Metric(
            "megabytes",
            "Size",
            "MB",
            True,
            "All tensors that a checkpoint stores; shared tensors count once.",
            number=_megabytes,
            on_card=True,
        ),
        Metric(
            "size_share",
            "Relative size",
            "%",
            True,
            "Compressed ÷ original bytes of the whole model.",
        ),
        Metric(
            "parameters",
            "Parameters",
            "M",
            True,
            "Numbers that the model is computed from, in millions, regardless of their bit width: "
            "weights, factor entries, scales and codes, but no permutations or masks.",
        ),
        Metric(
            "kl",
            "KL divergence",
            "nats",
            True,
            "Mean over tokens of Σ p ln(p ÷ q), with p the original and q the compressed model's "
            "distribution of the next (or masked) token.",
            number=_fixed(3),
            axis="logarithmic",
            on_card=True,
        ),
        Metric(
            "top1",
            "Top-1 agreement",
            "%",
            False,
            "How often both models rank the same token first.",
            number=_fixed(1),
            axis="linear",
            uncompressed=100.0,
            on_card=True,
        ),
        Metric(
            "speed",
            "Relative speed",
            "×",
            False,
            "Compressed ÷ original prefill speed (tokens/s) in this run on this machine. Measured "
            "once: differences below 20% may be noise.",
            number=_fixed(2),
            axis="linear",
            uncompressed=1.0,
            on_card=True,
            is_noisy=True,
        ),
        Metric(
            "direction_error",
            "Direction error",
            "",
            True,
            "Mean over rows of 1 − cos(original row, compressed row); for a run, over the rows of "
            "its embedding.",
            number=_fixed(4),
            on_card=True,
        ),
        Metric(
            "relative_error",
            "Relative error",
            "",
            True,
            "‖W − Ŵ‖ ÷ ‖W‖ (Frobenius norms); for a run, over all compressed weights.",
        ),
    )
}
"""The metrics of a run by name, in the order of reports."""

ERRORS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        METRICS["relative_error"],
        METRICS["direction_error"],
        Metric("rmse", "RMSE", "", True, "Root mean squared error of a weight's entries."),
        Metric("mae", "MAE", "", True, "Mean absolute error of a weight's entries."),
        Metric(
            "powered_mae",
            "Powered MAE",
            "",
            True,
            "Mean of |error|^0.6 over a weight's entries (Banaei et al. 2023).",
        ),
    )
}
"""Reconstruction errors of one compressed weight."""


def label(name: str) -> str:
    """Return the label of a metric; an unknown name is its own label."""
    known = METRICS.get(name) or ERRORS.get(name)
    return known.label if known else name.replace("_", " ").capitalize()
