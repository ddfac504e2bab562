"""Token shading in HTML by the probability that the other model gives to each token."""

from __future__ import annotations

import math
from html import escape

from compress_lib.results.text_record import WrittenToken

FAINTEST = 1e-4
"""Probability at or below which shading is strongest."""


def strength(probability: float) -> float:
    """Return the shading in [0, 1]: 0 for probability 1, and 1 for `FAINTEST` or less."""
    return max(0.0, math.log(max(probability, FAINTEST)) / math.log(FAINTEST))


def percent(probability: float) -> str:
    """Return a probability in percent."""
    return f"{100 * probability:.2g}%" if probability < 0.995 else "100%"


def shade_token(token: WrittenToken, tip: str) -> str:
    """Return a token as HTML, with its shading in [0, 1] in the CSS variable `--q`.

    Args:
        token: The generated token.
        tip: The tooltip, with placeholders `{own}` and `{other}` for the two probabilities.
    """
    title = tip.format(own=percent(token.own), other=percent(token.other))
    return (
        f'<span class="token" style="--q:{strength(token.other):.2f}" '
        f'title="{escape(title, quote=True)}">{escape(token.text)}</span>'
    )
