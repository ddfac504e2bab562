"""How runs look in every chart."""

from __future__ import annotations

from compress_lib.methods import METHODS
from compress_lib.reporting.plots.base import PALETTE

BASELINE = "#8a8f9c"
DASHES = {"embedding": "solid", "attention": "dot", "FFN": "dash", "everything": "dashdot"}

SIGNS = {
    "circle": "●",
    "square": "■",
    "diamond": "◆",
    "triangle-up": "▲",
    "pentagon": "⬟",
    "hexagon": "⬢",
}
"""Symbols of the charts and, for texts, what they look like."""
SYMBOLS = tuple(SIGNS)


def method_style(name: str) -> tuple[str, str]:
    """Return the colour and the symbol of a method, the same in every chart."""
    position = list(METHODS).index(name) if name in METHODS else len(METHODS)
    # Every full turn of the colours starts one symbol further on, so that no pair comes twice.
    turns = position // len(PALETTE)
    return PALETTE[position % len(PALETTE)], SYMBOLS[(position + turns) % len(SYMBOLS)]


def method_label(name: str) -> str:
    """Return what people read for a method."""
    return METHODS[name].label if name in METHODS else name
