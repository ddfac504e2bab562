"""Charts of runs among each other: records in, plotly figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import plotly.graph_objects as go

from compress_lib.describe import describe, manner, scope
from compress_lib.formatting import format_bytes, format_perplexity
from compress_lib.methods import METHODS
from compress_lib.plots_base import INK, PALETTE, figure_of
from compress_lib.results import RunRecord

BASELINE = "#8a8f9c"
RING = "#d8461b"
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


def frontier(
    landmarks: Sequence[RunRecord], own: Sequence[RunRecord], current: str | None = None
) -> go.Figure:
    """Perplexity over megabytes: landmarks small, runs of one's own large, the shown one ringed.

    A line joins the landmarks of one method on the same weights.

    Args:
        landmarks: Measured beforehand.
        own: Runs of this session, on the same text.
        current: The key of the run whose results are shown.
    """
    figure = figure_of("Size of the whole model (MB)", "Perplexity (log scale)")
    _add_baseline(figure, [*landmarks, *own])
    shown: set[str] = set()
    for records, joined in ((landmarks, True), (own, False)):
        for (method, where), members in _series(records).items():
            name = f"{method_label(method)} · {where}"
            look = _look(method, where, joined=joined)
            figure.add_trace(_points(members, look, name, legend=name not in shown))
            shown.add(name)
            if joined and DASHES.get(where, "solid") != "solid":
                _write_beside(figure, members, where, method_style(method)[0])
    ringed = [record for record in (*landmarks, *own) if record.key == current]
    if ringed:
        line = {"width": 2.5, "color": RING}
        ring = {"mode": "markers", "marker": {"size": 22, "color": "rgba(0,0,0,0)", "line": line}}
        figure.add_trace(_points(ringed[:1], ring, "these results", legend=True))
    figure.update_yaxes(type="log", dtick=1, tickformat="~s")
    # A legend inside would take half of a phone's chart: `frontier_legend` stands below it.
    figure.update_layout(height=400, showlegend=False)
    return figure


def frontier_legend(records: Sequence[RunRecord]) -> list[tuple[str, str, str]]:
    """Return sign, colour and name of everything in a frontier chart."""
    if not records:
        return []
    entries = [("★", BASELINE, "Baseline")]
    for method, where in _series(records):
        colour, symbol = method_style(method)
        filled, open_sign = tuple(SIGNS[symbol])
        sign = filled if DASHES.get(where) == "solid" else open_sign
        entries.append((sign, colour, f"{method_label(method)} · {where}"))
    return [*entries, ("◯", RING, "these results")]


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


def _add_baseline(figure: go.Figure, records: Sequence[RunRecord]) -> None:
    if not records:
        return
    ppl, memory = records[0].perplexity, records[0].memory
    figure.add_trace(
        go.Scatter(
            x=[memory.baseline_bytes / 1e6],
            y=[ppl.baseline],
            name="Baseline",
            mode="markers",
            marker={"size": 15, "color": BASELINE, "symbol": "star"},
            hovertemplate=f"Baseline<br>perplexity {format_perplexity(ppl.baseline)}"
            f"<br>{format_bytes(memory.baseline_bytes)}<extra></extra>",
        )
    )
    figure.add_hline(y=ppl.baseline, line={"color": BASELINE, "width": 1, "dash": "dot"})
    # On a logarithmic axis an annotation stands at the logarithm, a line at the value.
    figure.add_annotation(
        text=f"baseline {format_perplexity(ppl.baseline)}",
        x=0.01,
        xref="paper",
        y=log10(ppl.baseline),
        yshift=9,
        xanchor="left",
        showarrow=False,
        font={"size": 12, "color": INK},
    )


def _series(records: Sequence[RunRecord]) -> dict[tuple[str, str], list[RunRecord]]:
    """Group runs by method and by what they compressed, in the order of the methods."""
    found: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        for method in record.methods[:1]:
            where = scope(record) + manner(record)
            found.setdefault((method, where), []).append(record)
    methods, scopes = [*METHODS], [*DASHES]

    def place(series: tuple[str, str]) -> tuple[int, int]:
        method, where = series
        return (
            methods.index(method) if method in methods else len(methods),
            scopes.index(where) if where in scopes else len(scopes),
        )

    return {series: found[series] for series in sorted(found, key=place)}


def _look(method: str, where: str, *, joined: bool) -> dict[str, Any]:
    """Return colour and symbol of a method; what was compressed shows in filling and dashes."""
    colour, symbol = method_style(method)
    dash = DASHES.get(where, "longdashdot")
    marker = {
        "size": 9 if joined else 15,
        "color": colour,
        "symbol": symbol if dash == "solid" else f"{symbol}-open",
        "line": {"width": 2 if dash != "solid" else 0.5, "color": colour},
    }
    if not joined:
        return {"mode": "markers", "marker": marker}
    return {
        "mode": "lines+markers",
        "marker": marker,
        "line": {"color": colour, "width": 1.5, "dash": dash},
        "opacity": 0.85,
    }


def _write_beside(figure: go.Figure, members: Sequence[RunRecord], text: str, colour: str) -> None:
    """Name a line at its left end, because dashes alone are hard to tell apart."""
    first = min(members, key=lambda record: record.memory.compressed_bytes)
    figure.add_annotation(
        text=text,
        x=first.memory.compressed_bytes / 1e6,
        y=log10(first.perplexity.compressed),
        yshift=13,
        showarrow=False,
        font={"size": 11, "color": colour},
    )


def _points(
    records: Sequence[RunRecord], look: Mapping[str, Any], name: str, *, legend: bool
) -> go.Scatter:
    ordered = sorted(records, key=lambda record: record.memory.compressed_bytes)
    return go.Scatter(
        x=[record.memory.compressed_bytes / 1e6 for record in ordered],
        y=[record.perplexity.compressed for record in ordered],
        name=name,
        legendgroup=name,
        showlegend=legend,
        text=[describe(record) for record in ordered],
        customdata=[format_perplexity(record.perplexity.compressed) for record in ordered],
        hovertemplate="%{text}<br>perplexity %{customdata}<br>%{x:.1f} MB<extra></extra>",
        **look,
    )
