"""Colours and symbols of methods, the same in every chart."""

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
"""Plotly marker symbols, and the characters for them in text."""
SYMBOLS = tuple(SIGNS)


def method_style(name: str) -> tuple[str, str]:
    """Return the colour and the symbol of a method, the same in every chart."""
    position = list(METHODS).index(name) if name in METHODS else len(METHODS)
    # Shift the symbols by one after each cycle of colours, so that no pair repeats.
    turns = position // len(PALETTE)
    return PALETTE[position % len(PALETTE)], SYMBOLS[(position + turns) % len(SYMBOLS)]


def method_label(name: str) -> str:
    """Return the label of a method; an unknown name is its own label."""
    return METHODS[name].label if name in METHODS else name
