"""Perplexity vs. size chart of `bench quality`."""

from __future__ import annotations

import plotly.graph_objects as go

from compress_lib.reporting.plots.base import COLOURS, FARTHEST, INK, SYMBOLS, figure_of
from compress_lib.runs.studies.record import Row, StudyRecord, format_value


def quality_figure(record: StudyRecord) -> go.Figure:
    """Return the chart of perplexity (log) over megabytes, one line per method.

    A method of one size is a point. Values above `FARTHEST`, and missing ones, are clipped to it.
    """
    figure = figure_of("Model size (MB)", "Perplexity (log scale, clipped at 10M)")
    lines: dict[str, list[Row]] = {}
    for row in record.rows:
        if row.get("megabytes") is not None:
            lines.setdefault(str(row["method"]), []).append(row)
    for index, (method, rows) in enumerate(lines.items()):
        figure.add_trace(_line(method, rows, index))
    figure.add_hline(y=record.baseline, line={"dash": "dot", "color": INK})
    figure.update_yaxes(type="log", dtick=1, tickformat="~s")
    figure.update_layout(height=460 + 20 * len(lines), legend={"y": -0.15, "yanchor": "top"})
    return figure


def _line(method: str, rows: list[Row], index: int) -> go.Scatter:
    colour = COLOURS[index % len(COLOURS)]
    turns = index // len(COLOURS)
    return go.Scatter(
        x=[row["megabytes"] for row in rows],
        y=[_clip(row) for row in rows],
        name=method,
        mode="lines+markers",
        marker={"color": colour, "size": 9, "symbol": SYMBOLS[(index + turns) % len(SYMBOLS)]},
        line={"color": colour, "width": 1.5},
        text=[
            f"perplexity {format_value(row.get('perplexity'))}, second text "
            f"{format_value(row.get('second_perplexity'))}, KL {format_value(row.get('kl'))}"
            for row in rows
        ],
        hovertemplate="%{text}<br>%{x:.1f} MB<extra>" + method + "</extra>",
    )


def _clip(row: Row) -> float:
    value = row.get("perplexity")
    return min(float(value), FARTHEST) if isinstance(value, int | float) else FARTHEST
