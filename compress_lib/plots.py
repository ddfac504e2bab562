"""Charts: records in, plotly figures out. The only importer of plotly.

Backgrounds are transparent and texts mid-grey, so that a chart reads on light and dark alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from compress_lib.formatting import format_bytes, format_perplexity
from compress_lib.methods import METHODS
from compress_lib.results import RunRecord, describe
from compress_lib.targets import FAMILIES

INK = "#7c8494"
GRID = "rgba(128, 136, 150, 0.22)"
BASELINE = "#8a8f9c"
BEFORE = "#aab2c2"

# Okabe and Ito's palette for colour-blind readers, without its black and yellow, and a little
# lighter, so that it shows on dark as well.
PALETTE = ("#2f86c9", "#e69f00", "#13a079", "#cc79a7", "#dd6a2b", "#63bdf0")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon")


def method_style(name: str) -> tuple[str, str]:
    """Return the colour and the symbol of a method, the same in every chart."""
    position = list(METHODS).index(name) if name in METHODS else len(METHODS)
    return PALETTE[position % len(PALETTE)], SYMBOLS[position % len(SYMBOLS)]


def method_label(name: str) -> str:
    """Return what people read for a method."""
    return METHODS[name].label if name in METHODS else name


def frontier(
    landmarks: Sequence[RunRecord], own: Sequence[RunRecord], current: str | None = None
) -> go.Figure:
    """Perplexity over megabytes: landmarks small, runs of one's own large, the shown one ringed.

    Args:
        landmarks: Measured beforehand.
        own: Runs of this session, on the same text.
        current: The key of the run whose results are shown.
    """
    figure = _figure("Size of the whole model (MB)", "Perplexity (log scale)")
    _add_baseline(figure, [*landmarks, *own])
    shown: set[str] = set()
    for records, size, opacity in ((landmarks, 9, 0.8), (own, 14, 1.0)):
        groups: dict[str, list[RunRecord]] = {}
        for record in records:
            for method in record.methods[:1]:
                groups.setdefault(method, []).append(record)
        for method, members in groups.items():
            colour, symbol = method_style(method)
            marker = {"size": size, "color": colour, "symbol": symbol, "opacity": opacity}
            if records is own:
                marker["line"] = {"width": 1.5, "color": INK}
            figure.add_trace(
                _points(members, marker, method_label(method), legend=method not in shown)
            )
            shown.add(method)
    ringed = [record for record in (*landmarks, *own) if record.key == current]
    if ringed:
        ring = {"size": 22, "color": "rgba(0,0,0,0)", "line": {"width": 2, "color": "#D55E00"}}
        figure.add_trace(_points(ringed[:1], ring, "these results", legend=True))
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    figure.update_layout(height=380)
    return figure


def direction_histogram(records: Sequence[RunRecord], empty: str = "") -> go.Figure:
    """Direction errors of the embedding: a line a run, its same-norm control dotted.

    Args:
        records: Runs; those that leave the embedding as it is are passed over.
        empty: What to write where no run is left.
    """
    figure = _figure("Direction error of a token's row (1 − cos)", "Share of the tokens (%)")
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


def memory_bars(record: RunRecord) -> go.Figure:
    """Megabytes of each component, before and after."""
    figure = _figure("Megabytes", "")
    parts = [part for part in record.memory.components if part.baseline_bytes]
    names = [FAMILIES.get(part.component, part.component.capitalize()) for part in parts]
    for label, colour, values in (
        ("Compressed", PALETTE[0], [part.compressed_bytes for part in parts]),
        ("Baseline", BEFORE, [part.baseline_bytes for part in parts]),
    ):
        figure.add_trace(
            go.Bar(
                y=names,
                x=[value / 1e6 for value in values],
                name=label,
                orientation="h",
                marker={"color": colour},
                text=[format_bytes(value) for value in values],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{y}: %{x:.2f} MB",
            )
        )
    most = max(max(p.baseline_bytes, p.compressed_bytes) for p in parts) / 1e6
    figure.update_xaxes(range=[0, most * 1.18])
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(height=90 + 44 * len(parts), barmode="group", bargap=0.28)
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


def _points(
    records: Sequence[RunRecord], marker: Mapping[str, Any], name: str, *, legend: bool
) -> go.Scatter:
    ordered = sorted(records, key=lambda record: record.memory.compressed_bytes)
    return go.Scatter(
        x=[record.memory.compressed_bytes / 1e6 for record in ordered],
        y=[record.perplexity.compressed for record in ordered],
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="markers",
        marker=dict(marker),
        text=[describe(record) for record in ordered],
        customdata=[format_perplexity(record.perplexity.compressed) for record in ordered],
        hovertemplate="%{text}<br>perplexity %{customdata}<br>%{x:.1f} MB<extra></extra>",
    )


def _figure(x_title: str, y_title: str) -> go.Figure:
    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": GRID,
        "title": {"font": {"size": 13}},
        "automargin": True,
    }
    return go.Figure(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": INK, "size": 13, "family": "system-ui, sans-serif"},
            "margin": {"l": 12, "r": 16, "t": 12, "b": 12},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "hoverlabel": {"font": {"size": 13}},
            "xaxis": {**axis, "title": {"text": x_title}},
            "yaxis": {**axis, "title": {"text": y_title}},
        }
    )
