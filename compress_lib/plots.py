"""How runs look in every chart, and how far their tokens turned: records in, figures out."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from compress_lib.describe import describe
from compress_lib.methods import METHODS
from compress_lib.plots_base import PALETTE, figure_of
from compress_lib.results import RunRecord

BASELINE = "#8a8f9c"
DASHES = {"embedding": "solid", "attention": "dot", "FFN": "dash", "everything": "dashdot"}

SIGNS = {
    "circle": "●○",
    "square": "■□",
    "diamond": "◆◇",
    "triangle-up": "▲△",
    "pentagon": "⬟⬠",
    "hexagon": "⬢⬡",
}
"""Symbols of the charts and, for texts, what they look like filled and open."""
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


def direction_histogram(records: Sequence[RunRecord], empty: str = "") -> go.Figure:
    """Direction errors of the embedding: a line a run, its same-norm control dotted.

    Args:
        records: Runs; those that leave the embedding as it is are passed over.
        empty: What to write where no run is left.
    """
    figure = figure_of("Direction error of a token's row (1 − cos)", "Share of the tokens (%)")
    longest = 0.1
    for position, record in enumerate(records):
        direction = record.direction
        if direction is None:
            continue
        method = next(t.method for t in record.targets if t.names[0] == direction.target)
        colour = method_style(method)[0] if len(records) < 3 else PALETTE[position % len(PALETTE)]
        total = sum(direction.counts) or 1
        middles = [
            (a + b) / 2 for a, b in zip(direction.edges[:-1], direction.edges[1:], strict=True)
        ]
        for counts, dash, name in (
            (direction.counts, "solid", describe(record)),
            (direction.control_counts, "dot", "same-norm random noise"),
        ):
            filled = [middle for middle, n in zip(middles, counts, strict=True) if n > total / 5000]
            longest = max([longest, *filled])
            figure.add_trace(
                go.Scatter(
                    x=middles,
                    y=[100 * count / total for count in counts],
                    name=name,
                    mode="lines",
                    line={"color": colour, "dash": dash, "width": 2.5, "shape": "hvh"},
                    fill="tozeroy" if dash == "solid" and len(records) == 1 else None,
                    hovertemplate="error ≈ %{x:.3f}<br>%{y:.2f} % of the tokens",
                )
            )
    if not figure.data:
        figure.add_annotation(text=empty, showarrow=False, font={"size": 14})
    figure.update_xaxes(range=[0, min(longest * 1.1 + 0.01, 1.05)])
    figure.update_layout(height=340)
    return figure
