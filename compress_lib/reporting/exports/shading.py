"""Written tokens as HTML, shaded by how unlikely the other model found them. Knows no page."""

from __future__ import annotations

import math
from html import escape

from compress_lib.results.text_record import WrittenToken

FAINTEST = 1e-4
"""A probability from which on tokens are shaded as strongly as can be."""


def strength(probability: float) -> float:
    """Return 0 for what is certain and 1 for what is as good as impossible."""
    return max(0.0, math.log(max(probability, FAINTEST)) / math.log(FAINTEST))


def percent(probability: float) -> str:
    """Return a probability in percent."""
    return f"{100 * probability:.2g} %" if probability < 0.995 else "100 %"


def shade_token(token: WrittenToken, tip: str) -> str:
    """Return a token with its shade, between 0 and 1 in the variable `--q`.

    Args:
        token: What was written.
        tip: What is read when one points at it; `{own}` and `{other}` are filled in.
    """
    told = tip.format(own=percent(token.own), other=percent(token.other))
    return (
        f'<span class="token" style="--q:{strength(token.other):.2f}" '
        f'title="{escape(told, quote=True)}">{escape(token.text)}</span>'
    )
