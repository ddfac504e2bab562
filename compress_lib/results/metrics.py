"""The one table of the numbers that results show: headers, axes and better-arrows read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A number that results show.

    Attributes:
        name: Its key in `RunRecord.metrics` or `TargetRecord.errors`.
        label: What people read.
        unit: Its unit, or nothing.
        lower_is_better: Which way is better.
        meaning: One sentence with the formula.
    """

    name: str
    label: str
    unit: str
    lower_is_better: bool
    meaning: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "perplexity",
            "Perplexity",
            "",
            True,
            "exp(sum of −ln p(token) ÷ predicted tokens): how many tokens the model hesitates "
            "between on average.",
        ),
        Metric(
            "perplexity_ratio",
            "Perplexity × baseline",
            "×",
            True,
            "Compressed perplexity ÷ baseline perplexity on the same tokens.",
        ),
        Metric(
            "megabytes", "Size", "MB", True, "All tensors a checkpoint stores, shared ones once."
        ),
        Metric("size_share", "Share of the bytes", "%", True, "Compressed bytes ÷ baseline bytes."),
        Metric(
            "parameters",
            "Parameters",
            "M",
            True,
            "The numbers that the model is computed from, in millions, whatever bits each takes: "
            "weights, entries of factors, scales, and codes; orders and masks are none.",
        ),
        Metric(
            "kl",
            "KL divergence",
            "nats",
            True,
            "Mean over tokens of Σ p ln(p ÷ q), p the baseline's and q the compressed model's "
            "probabilities of the next token, or of a hidden one.",
        ),
        Metric(
            "top1",
            "Same first choice",
            "%",
            False,
            "How often both models find the same token likeliest.",
        ),
        Metric(
            "speed",
            "Speed × baseline",
            "×",
            False,
            "Tokens a second that the compressed model reads ÷ those that the baseline reads, in "
            "this run, on this machine. Timed once, so a fifth more or less may be chance.",
        ),
        Metric(
            "direction_error",
            "Direction error",
            "",
            True,
            "Mean over rows of 1 − cos(original row, compressed row); of a run, over the rows of "
            "its embedding.",
        ),
        Metric(
            "relative_error",
            "Relative error",
            "",
            True,
            "‖W − Ŵ‖ ÷ ‖W‖ (Frobenius norms); of a run, over all compressed weights.",
        ),
    )
}
"""The one table that headers, axes and better-arrows read."""

ERRORS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        METRICS["relative_error"],
        METRICS["direction_error"],
        Metric("rmse", "RMSE", "", True, "Root of the mean squared error of a weight's entries."),
        Metric("mae", "MAE", "", True, "Mean absolute error of a weight's entries."),
        Metric(
            "powered_mae",
            "Powered MAE",
            "",
            True,
            "Mean of |error| ^ 0.6 over a weight's entries, as Banaei et al. 2023 measure it.",
        ),
    )
}
"""What is measured on one compressed weight."""


def label(name: str) -> str:
    """Return what people read for a number; one that is in no table is called by its name."""
    known = METRICS.get(name) or ERRORS.get(name)
    return known.label if known else name.replace("_", " ").capitalize()
