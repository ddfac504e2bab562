"""How much each row of a weight counts: from token counts, Fisher information or sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compress_lib.methods.base import option
from compress_lib.methods.row_importance import NORMALIZATIONS, SMOOTHING

if TYPE_CHECKING:
    pass


def normalization_option(default: str) -> Any:
    """Declare the option that names a normalisation."""
    return option(
        default,
        "Normalisation",
        "sum: share of the mean; sum_log: log(1 + t · share); pow: weight ^ a; sum_pow: share ^ a.",
        choices=NORMALIZATIONS,
    )


def exponent_option(default: float = 0.5) -> Any:
    """Declare the option that holds the number of a normalisation."""
    return option(
        default,
        "a or t",
        "The exponent a of pow and sum_pow, or the factor t of sum_log.",
        minimum=1e-3,
        maximum=1e6,
        formerly="number",
    )


def power_option(default: float) -> Any:
    """Declare the option that says how much more a frequent token weighs."""
    return option(
        default,
        "Power",
        "Weight of a token = smoothed count ^ power.",
        minimum=0.0,
        maximum=2.0,
    )


def smoothing_option() -> Any:
    """Declare the option that holds what is added to counts."""
    return option(
        SMOOTHING,
        "Smoothing",
        "Added to a count on average; larger trusts counts less.",
        minimum=1e-4,
    )


def prior_option() -> Any:
    """Declare the option that says how what is added is shared out."""
    return option(
        "zipf",
        "Prior",
        "How what is added is shared out: by 1 ÷ token id, or evenly.",
        choices=("zipf", "uniform"),
    )
