"""Cost against size: every run among the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, log10
from typing import Any

import plotly.graph_objects as go

from compress_lib.describe import describe, manner, scope
from compress_lib.formatting import format_bytes, format_perplexity
from compress_lib.methods import METHODS
from compress_lib.metrics import METRICS
from compress_lib.plan import DENSE
from compress_lib.plots import BASELINE, DASHES, SIGNS, method_label, method_style
from compress_lib.plots_base import INK, figure_of
from compress_lib.results import RunRecord

RING = "#d8461b"
MEASURES = ("perplexity", "kl", "top1", "speed")
"""What may stand over size: names of `METRICS`."""

LOGARITHMIC = ("perplexity", "kl")


def frontier(
    landmarks: Sequence[RunRecord],
    own: Sequence[RunRecord],
    current: str | None = None,
    measure: str = MEASURES[0],
) -> go.Figure:
    """A measure over megabytes: landmarks small, runs of one's own large, the shown one ringed.

    A line joins the landmarks of one method on the same weights, and a wide pale one those runs
    that no other beats in both.

    Args:
        landmarks: Measured beforehand.
        own: Runs of this session, on the same text.
        current: The key of the run whose results are shown.
        measure: One of `MEASURES`.

    Returns:
        A figure whose points know the key of their run, as the second of their custom data.
    """
    metric = METRICS[measure]
    log = measure in LOGARITHMIC
    title = f"{metric.label} ({'log scale' if log else metric.unit})"
    figure = figure_of("Size of the whole model (MB)", title)
    landmarks, own = (
        [record for record in records if _drawable(record, measure)] for records in (landmarks, own)
    )
    _add_pareto(figure, [*landmarks, *own], measure)
    _add_baseline(figure, [*landmarks, *own], measure)
    shown: set[str] = set()
    for records, joined in ((landmarks, True), (own, False)):
        for (method, where), members in _series(records).items():
            name = f"{method_label(method)} · {where}"
            look = _look(method, where, joined=joined)
            figure.add_trace(_points(members, look, name, measure, legend=name not in shown))
            shown.add(name)
            if joined and DASHES.get(where, "solid") != "solid":
                _write_beside(figure, members, where, method_style(method)[0], measure)
    ringed = [record for record in (*landmarks, *own) if record.key == current]
    if ringed:
        line = {"width": 2.5, "color": RING}
        ring = {"mode": "markers", "marker": {"size": 22, "color": "rgba(0,0,0,0)", "line": line}}
        figure.add_trace(_points(ringed[:1], ring, "these results", measure, legend=True))
    if log:
        # 0.01 nats are nobody's 10m.
        figure.update_yaxes(type="log", dtick=1, tickformat="~g" if measure == "kl" else "~s")
    # A legend inside would take half of a phone's chart: `frontier_legend` stands below it.
    figure.update_layout(height=400, showlegend=False)
    return figure


def pareto(records: Sequence[RunRecord], measure: str) -> list[RunRecord]:
    """Return the runs that no other beats in both bytes and measure, the smallest first."""
    lower = METRICS[measure].lower_is_better
    best = inf
    found: list[RunRecord] = []

    def cost(record: RunRecord) -> float:
        value = record.metrics()[measure]
        assert value is not None
        return value if lower else -value

    for record in sorted(records, key=lambda r: (r.memory.compressed_bytes, cost(r))):
        if cost(record) < best:
            best = cost(record)
            found.append(record)
    return found


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


def _add_pareto(figure: go.Figure, records: Sequence[RunRecord], measure: str) -> None:
    """Join what no other run beats, by steps: between two of them nothing is known to be better."""
    best = pareto(records, measure)
    if len(best) < 2:
        return
    figure.add_trace(
        go.Scatter(
            x=[record.memory.compressed_bytes / 1e6 for record in best],
            y=[_value(record, measure) for record in best],
            mode="lines",
            line={"shape": "hv", "width": 7, "color": "rgba(138,143,156,0.28)"},
            name="not beaten",
            hoverinfo="skip",
        )
    )


def _add_baseline(figure: go.Figure, records: Sequence[RunRecord], measure: str) -> None:
    """Mark the model as it came; a KL of zero has no place on a logarithmic axis."""
    if not records or measure == "kl":
        return
    memory = records[0].memory
    values = {"perplexity": records[0].perplexity.baseline, "top1": 100.0, "speed": 1.0}
    value = values[measure]
    told = format_perplexity(value) if measure == "perplexity" else f"{value:g}"
    figure.add_trace(
        go.Scatter(
            x=[memory.baseline_bytes / 1e6],
            y=[value],
            name="Baseline",
            mode="markers",
            marker={"size": 15, "color": BASELINE, "symbol": "star"},
            hovertemplate=f"Baseline<br>{METRICS[measure].label} {told}"
            f"<br>{format_bytes(memory.baseline_bytes)}<extra></extra>",
        )
    )
    figure.add_hline(y=value, line={"color": BASELINE, "width": 1, "dash": "dot"})
    # On a logarithmic axis an annotation stands at the logarithm, a line at the value.
    figure.add_annotation(
        text=f"baseline {told}",
        x=0.01,
        xref="paper",
        y=_place(value, measure),
        yshift=9,
        xanchor="left",
        showarrow=False,
        font={"size": 12, "color": INK},
    )


def _series(records: Sequence[RunRecord]) -> dict[tuple[str, str], list[RunRecord]]:
    """Group runs by method and by what they compressed, in the order of the methods."""
    found: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        # What was asked for: the best of several is not what it took for the first matrix.
        asked = [rule["method"] for rule in record.plan["rules"] if rule["method"] != DENSE]
        if asked and record.targets:
            where = scope(record) + manner(record)
            found.setdefault((asked[0], where), []).append(record)
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


def _write_beside(
    figure: go.Figure, members: Sequence[RunRecord], text: str, colour: str, measure: str
) -> None:
    """Name a line at its left end, because dashes alone are hard to tell apart."""
    first = min(members, key=lambda record: record.memory.compressed_bytes)
    figure.add_annotation(
        text=text,
        x=first.memory.compressed_bytes / 1e6,
        y=_place(_value(first, measure), measure),
        yshift=13,
        showarrow=False,
        font={"size": 11, "color": colour},
    )


def _points(
    records: Sequence[RunRecord], look: Mapping[str, Any], name: str, measure: str, *, legend: bool
) -> go.Scatter:
    ordered = sorted(records, key=lambda record: record.memory.compressed_bytes)
    return go.Scatter(
        x=[record.memory.compressed_bytes / 1e6 for record in ordered],
        y=[_value(record, measure) for record in ordered],
        name=name,
        legendgroup=name,
        showlegend=legend,
        text=[describe(record) for record in ordered],
        customdata=[[_told(record, measure), record.key] for record in ordered],
        hovertemplate="%{text}<br>"
        + METRICS[measure].label
        + " %{customdata[0]}<br>%{x:.1f} MB<extra></extra>",
        **look,
    )


def _drawable(record: RunRecord, measure: str) -> bool:
    """Tell whether a run has a place: on a logarithmic axis, zero has none."""
    value = record.metrics()[measure]
    return value is not None and (value > 0 or measure not in LOGARITHMIC)


def _value(record: RunRecord, measure: str) -> float:
    value = record.metrics()[measure]
    assert value is not None
    return value


def _place(value: float, measure: str) -> float:
    return log10(value) if measure in LOGARITHMIC else value


def _told(record: RunRecord, measure: str) -> str:
    value = _value(record, measure)
    return format_perplexity(value) if measure == "perplexity" else f"{value:.4g}"
