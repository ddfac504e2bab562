"""Quality vs. size chart with the Pareto front of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import plotly.graph_objects as go

from compress_lib.methods import METHODS
from compress_lib.plan.rule import DENSE
from compress_lib.reporting.plots.axes import MEASURES, SIZE_TITLES, SIZES, Scale, scale_of
from compress_lib.reporting.plots.base import INK, figure_of
from compress_lib.reporting.plots.style import BASELINE, DASHES, SIGNS, method_label, method_style
from compress_lib.results.describe import describe, scope_label, settings_label
from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord
from compress_lib.utils.formatting import format_bytes
from compress_lib.utils.translation import translate

__all__ = ["MEASURES", "SIZES", "frontier", "frontier_legend", "pareto"]

RING = "#d8461b"

FILLINGS = {"embedding": "", "everything": "-open-dot"}
"""Marker suffixes by compressed weights; all others are open markers."""

FILLED = (("●", "embedding only"), ("○", "layers"), ("⊙", "everything"))
"""Legend entries of the markers."""

NAMED = ("attention", "FFN")
"""Scopes whose lines have a text label."""


def frontier(
    landmarks: Sequence[RunRecord],
    own: Sequence[RunRecord],
    current: str | None = None,
    measure: str = MEASURES[0],
    size: str = SIZES[0],
) -> go.Figure:
    """Return the chart of a quality metric over size.

    Landmarks have small markers, the user's runs large ones, and the shown run has a ring. Lines
    join landmarks with the same method and weights. A wide pale line is the Pareto front.

    Args:
        landmarks: Precomputed runs.
        own: Runs of this session on the same text.
        current: The key of the run whose results are shown.
        measure: One of `MEASURES`.
        size: One of `SIZES`; runs whose record lacks it are skipped.

    Returns:
        A figure; the second item of a point's custom data is the key of its run.
    """
    scale = scale_of(measure, size)
    figure = figure_of(translate(SIZE_TITLES[size]), scale.title)
    landmarks, own = (
        [record for record in records if scale.drawable(record)] for records in (landmarks, own)
    )
    _add_pareto(figure, [*landmarks, *own], scale)
    _add_baseline(figure, [*landmarks, *own], scale)
    for records, joined in ((landmarks, True), (own, False)):
        for (method, where), members in _series(records).items():
            name = f"{method_label(method)} · {where}"
            figure.add_trace(_points(members, _look(method, where, joined=joined), name, scale))
            if joined and where in NAMED:
                _label_line(figure, members, where, method_style(method)[0], scale)
    ringed = [record for record in (*landmarks, *own) if record.key == current]
    if ringed:
        line = {"width": 2.5, "color": RING}
        ring = {"mode": "markers", "marker": {"size": 22, "color": "rgba(0,0,0,0)", "line": line}}
        figure.add_trace(_points(ringed[:1], ring, translate("shown run"), scale))
    figure.update_yaxes(scale.layout([scale.height(record) for record in (*landmarks, *own)]))
    # A legend inside would take half of a phone's chart; the page shows `frontier_legend` below.
    figure.update_layout(height=440, showlegend=False)
    return figure


def pareto(records: Sequence[RunRecord], scale: Scale) -> list[RunRecord]:
    """Return the Pareto-optimal runs in size and metric, smallest first.

    Args:
        records: Drawable runs.
        scale: The axes.
    """
    best = inf
    front: list[RunRecord] = []
    for record in sorted(records, key=lambda r: (scale.width(r), scale.cost(r))):
        if scale.cost(record) < best:
            best = scale.cost(record)
            front.append(record)
    return front


def frontier_legend(records: Sequence[RunRecord]) -> list[tuple[str, str, str]]:
    """Return the symbol, colour and name of each legend entry of the chart."""
    if not records:
        return []
    entries = [("★", BASELINE, translate("Original"))]
    for method in dict.fromkeys(method for method, _ in _series(records)):
        colour, symbol = method_style(method)
        entries.append((SIGNS[symbol], colour, method_label(method)))
    entries += [(sign, INK, translate(name)) for sign, name in FILLED]
    return [*entries, ("◯", RING, translate("shown run"))]


def _add_pareto(figure: go.Figure, records: Sequence[RunRecord], scale: Scale) -> None:
    """Draw the Pareto front as steps, because no run is known between two points."""
    front = pareto(records, scale)
    if len(front) < 2:
        return
    figure.add_trace(
        go.Scatter(
            x=[scale.width(record) for record in front],
            y=[scale.height(record) for record in front],
            mode="lines",
            line={"shape": "hv", "width": 7, "color": "rgba(138,143,156,0.28)"},
            name=translate("Pareto front"),
            hoverinfo="skip",
        )
    )


def _add_baseline(figure: go.Figure, records: Sequence[RunRecord], scale: Scale) -> None:
    """Mark the uncompressed model by a star and a horizontal line."""
    baseline = scale.baseline(records[0]) if records else None
    if baseline is None:
        return
    memory, (height, value) = records[0].memory, baseline
    figure.add_trace(
        go.Scatter(
            x=[scale.whole(records[0])],
            y=[height],
            name=translate("Original"),
            mode="markers",
            marker={"size": 15, "color": BASELINE, "symbol": "star"},
            hovertemplate=f"{translate('Original')}<br>"
            f"{translate(METRICS[scale.measure].label)} {value}<br>"
            f"{format_bytes(memory.baseline_bytes)}<extra></extra>",
        )
    )
    figure.add_hline(y=height, line={"color": BASELINE, "width": 1, "dash": "dot"})
    figure.add_annotation(
        text=translate("original {value}").format(value=value),
        x=0.01,
        xref="paper",
        y=scale.place(height),
        yshift=-9 if scale.logarithmic else 9,
        xanchor="left",
        showarrow=False,
        font={"size": 12, "color": INK},
    )


def _series(records: Sequence[RunRecord]) -> dict[tuple[str, str], list[RunRecord]]:
    """Group runs by method and compressed weights, in the order of the methods."""
    series: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        # The method of the plan: `mixed` uses another method for each matrix.
        methods = [rule.method for rule in record.plan.rules if rule.method != DENSE]
        if methods and record.targets:
            where = scope_label(record) + settings_label(record)
            series.setdefault((methods[0], where), []).append(record)
    names, scopes = [*METHODS], [*DASHES]

    def position(key: tuple[str, str]) -> tuple[int, int]:
        method, where = key
        return (
            names.index(method) if method in names else len(names),
            scopes.index(where) if where in scopes else len(scopes),
        )

    return {key: series[key] for key in sorted(series, key=position)}


def _look(method: str, where: str, *, joined: bool) -> dict[str, Any]:
    """Return the trace style: colour and symbol by method, fill and dashes by weights."""
    colour, symbol = method_style(method)
    filling = FILLINGS.get(where.partition(" (")[0], "-open")
    marker = {
        "size": 9 if joined else 15,
        "color": colour,
        "symbol": symbol + filling,
        "line": {"width": 2 if filling else 0.5, "color": colour},
    }
    if not joined:
        return {"mode": "markers", "marker": marker}
    return {
        "mode": "lines+markers",
        "marker": marker,
        "line": {"color": colour, "width": 1.5, "dash": DASHES.get(where, "longdashdot")},
        "opacity": 0.85,
    }


def _label_line(
    figure: go.Figure, members: Sequence[RunRecord], text: str, colour: str, scale: Scale
) -> None:
    """Label a line at its left end, because dashes alone are hard to distinguish."""
    first = min(members, key=scale.width)
    figure.add_annotation(
        text=text,
        x=scale.width(first),
        y=scale.place(scale.height(first)),
        yshift=13,
        showarrow=False,
        font={"size": 11, "color": colour},
    )


def _points(
    records: Sequence[RunRecord], look: Mapping[str, Any], name: str, scale: Scale
) -> go.Scatter:
    ordered = sorted(records, key=scale.width)
    return go.Scatter(
        x=[scale.width(record) for record in ordered],
        y=[scale.height(record) for record in ordered],
        name=name,
        text=[describe(record) for record in ordered],
        customdata=[[scale.describe(record), record.key] for record in ordered],
        hovertemplate="%{text}<br>"
        + translate(METRICS[scale.measure].label)
        + f" %{{customdata[0]}}<br>%{{x:.1f}} {METRICS[scale.size].unit}<extra></extra>",
        **look,
    )
