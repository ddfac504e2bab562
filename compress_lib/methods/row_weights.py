"""Options for row weights from token counts, Fisher information or sensitivity."""

from __future__ import annotations

from typing import Any

from compress_lib.methods.base import option
from compress_lib.methods.row_importance import NORMALIZATIONS, SMOOTHING


def normalization_option(default: str) -> Any:
    """Declare the option that selects a normalisation."""
    return option(
        default,
        "Normalisation",
        "sum: weight ÷ mean; sum_log: log(1 + t · weight ÷ mean); pow: weight^a; sum_pow: (weight "
        "÷ mean)^a.",
        choices=NORMALIZATIONS,
    )


def exponent_option(default: float = 0.5) -> Any:
    """Declare the option for the exponent or factor of a normalisation."""
    return option(
        default,
        "a or t",
        "Exponent a of pow and sum_pow, or factor t of sum_log.",
        minimum=1e-3,
        maximum=1e6,
        formerly="number",
    )


def power_option(default: float) -> Any:
    """Declare the option for the exponent of the token counts."""
    return option(
        default,
        "Power",
        "Weight of a token = smoothed count^power.",
        minimum=0.0,
        maximum=2.0,
    )


def smoothing_option() -> Any:
    """Declare the option for the mean pseudo-count."""
    return option(
        SMOOTHING,
        "Smoothing",
        "Mean pseudo-count added per token; larger values trust the counts less.",
        minimum=1e-4,
    )


def prior_option() -> Any:
    """Declare the option for the distribution of the pseudo-counts."""
    return option(
        "zipf",
        "Prior",
        "Distribution of the pseudo-counts: proportional to 1 ÷ token ID (zipf), or uniform.",
        choices=("zipf", "uniform"),
    )
