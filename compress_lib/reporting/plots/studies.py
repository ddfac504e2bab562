"""Study charts: one figure per study, chosen by its columns."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compress_lib.models.targets import FAMILIES
from compress_lib.reporting.plots.base import (
    COLOURS,
    FARTHEST,
    GRID,
    INK,
    LAYOUT,
    SYMBOLS,
    layer_map,
)
from compress_lib.reporting.plots.quality import quality_figure
from compress_lib.runs.studies import STUDIES
from compress_lib.runs.studies.findings import findings
from compress_lib.runs.studies.quality.table import NAME as QUALITY
from compress_lib.runs.studies.record import Row, StudyRecord, format_value


def study_figure(record: StudyRecord) -> go.Figure:
    """Return the figure of a study: heat map of modules, lines over a perturbation, or a grid."""
    if record.name == QUALITY:
        return quality_figure(record)
    if "layer" in record.columns:
        return module_map(record)
    if "level" in record.columns:
        return perturbations(record)
    return grid(record)


def study_page(record: StudyRecord, plotly: bool | str = True) -> str:
    """Return an HTML page with the question, figure, findings and table of a study.

    Args:
        record: The study.
        plotly: Whether to embed the Plotly library, so that the page works offline, or the URL of
            its file.
    """
    figure = study_figure(record).to_html(full_html=False, include_plotlyjs=plotly)
    head = "".join(f"<th>{escape(label)}</th>" for label in record.columns.values())
    body = "".join(
        "<tr>"
        + "".join(f"<td>{escape(format_value(row.get(n)))}</td>" for n in record.columns)
        + "</tr>"
        for row in record.rows
    )
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in findings(record))
    title = escape(record.label)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px system-ui;margin:2rem;max-width:1200px}td,th{padding:.2rem .6rem;"
        "text-align:left;border-bottom:1px solid #ddd}</style>"
        f"<h1>{title}</h1><p>{escape(record.question)}</p><p>{escape(about(record))}"
        f"</p>{figure}<ul>{sentences}</ul><table><tr>{head}</tr>{body}</table></html>\n"
    )


def about(record: StudyRecord) -> str:
    """Return the provenance of a study: model, text, settings, date and version."""
    options = STUDIES[record.name].options() if record.name in STUDIES else ()
    defaults = {option.name: option.default for option in options}
    settings = ", ".join(
        name if value is True else f"{name} {format_value(value)}"
        for name, value in record.settings.items()
        if value != defaults.get(name)
    )
    version = record.environment.get("compress_lib", "")
    return (
        f"{record.model.id} ({record.model.source}), baseline perplexity {record.baseline:.2f} on "
        f"{record.text}. Settings: {settings or 'defaults'}. Measured "
        f"{record.created[:10]} with version {version}."
    )


def module_map(record: StudyRecord, measure: str = "kl") -> go.Figure:
    """Return a heat map of module types × layers: the cost of compressing one module alone.

    Args:
        record: A study whose rows have a family, a layer and the measure.
        measure: The column of the colour scale.
    """
    rows = [row for row in record.rows if row.get("layer") is not None]
    cells = {(str(row["family"]), int(str(row["layer"]))): row.get(measure) for row in rows}
    title = record.columns.get(measure, measure)
    return layer_map(cells, title, logarithmic=measure in ("kl", "ratio", "perplexity"))


def perturbations(record: StudyRecord) -> go.Figure:
    """Return a chart of perplexity over perturbation size, per kind: all seeds and their mean."""
    figure = _figure("Row error ÷ row norm", "Perplexity (log scale)")
    for index, (ends, kind) in enumerate(dict.fromkeys(_kind(row) for row in record.rows)):
        rows = [r for r in record.rows if _kind(r) == (ends, kind) and _number(r, "perplexity")]
        levels = sorted({_number(row, "level") for row in rows})
        means = [
            _mean([_number(r, "perplexity") for r in rows if _number(r, "level") == level])
            for level in levels
        ]
        marker = {"color": COLOURS[index], "symbol": SYMBOLS[index], "size": 8}
        figure.add_trace(
            go.Scatter(
                x=levels,
                y=means,
                name=kind if ends == "both" else f"{kind}, {ends} only",
                mode="lines+markers",
                marker=marker,
                line={"dash": "solid" if ends == "both" else "dot"},
            )
        )
        figure.add_trace(
            go.Scatter(
                x=[_number(row, "level") for row in rows],
                y=[_number(row, "perplexity") for row in rows],
                mode="markers",
                marker=marker | {"size": 4},
                opacity=0.6,
                showlegend=False,
                hoverinfo="skip",
            )
        )
    figure.add_hline(y=record.baseline, line={"dash": "dot", "color": INK})
    figure.update_yaxes(type="log", dtick=1)
    figure.update_layout(height=420, legend={"orientation": "h", "y": -0.25, "yanchor": "top"})
    return figure


def grid(record: StudyRecord) -> go.Figure:
    """Return dots per method: perplexity left, direction error right, one row per place.

    A place is a module type at a size. Perplexities above `FARTHEST`, and missing ones, are clipped
    to it.
    """
    places = list(dict.fromkeys((row["matrices"], row["times_smaller"]) for row in record.rows))
    counts = [len(_methods(record, place)) for place in places]
    total = max(sum(counts), 1)
    titles = []
    for family, smaller in places:
        label = FAMILIES.get(str(family), str(family))
        titles += [f"{label}, {smaller:g}× smaller: perplexity (clipped at 10M)", "direction error"]
    figure = make_subplots(
        rows=max(len(places), 1),
        cols=2,
        shared_yaxes=True,
        subplot_titles=titles,
        horizontal_spacing=0.03,
        vertical_spacing=min(0.3, 60 / (22 * total + 90 * len(counts))) if len(places) > 1 else 0,
        row_heights=[count / total for count in counts] if counts else None,
    )
    in_legend: set[str] = set()
    for line, place in enumerate(places, start=1):
        for index, grouping in enumerate(dict.fromkeys(str(r["grouping"]) for r in record.rows)):
            rows = [row for row in _at(record, place) if row["grouping"] == grouping]
            if not rows:
                continue
            for column, measure in enumerate(("perplexity", "direction_error"), start=1):
                trace = _dots(rows, measure, grouping, index, legend=grouping not in in_legend)
                in_legend.add(grouping)
                figure.add_trace(trace, row=line, col=column)
        figure.update_yaxes(categoryarray=_methods(record, place), row=line)
    _decorate(figure)
    figure.update_xaxes(type="log", dtick=1, tickformat="~s", col=1)
    figure.update_layout(
        height=22 * total + 90 * len(counts) + 40,
        legend={"orientation": "h", "y": 1.0, "yanchor": "top", "yref": "container", "x": 0},
        margin={"t": 80},
    )
    return figure


LOOKS = {"separated": "circle", "concatenated": "diamond-open", "input only": "x-thin-open"}


def _at(record: StudyRecord, place: tuple[object, object]) -> list[Row]:
    return [r for r in record.rows if (r["matrices"], r["times_smaller"]) == place]


def _methods(record: StudyRecord, place: tuple[object, object]) -> list[str]:
    """Return the methods measured at a place, best last, which is at the top."""
    best: dict[str, float] = {}
    for row in _at(record, place):
        value = _number(row, "perplexity") or float("inf")
        name = str(row["method"])
        best[name] = min(value, best.get(name, float("inf")))
    return sorted(best, key=lambda name: -best[name])


def _dots(
    rows: Sequence[Row], measure: str, grouping: str, index: int, *, legend: bool
) -> go.Scatter:
    values = [row.get(measure) for row in rows]
    if measure == "perplexity":
        values = [FARTHEST if v is None else min(float(v), FARTHEST) for v in values]
    return go.Scatter(
        x=values,
        y=[str(row["method"]) for row in rows],
        name=grouping,
        legendgroup=grouping,
        showlegend=legend,
        mode="markers",
        marker={
            "color": COLOURS[index % len(COLOURS)],
            "size": 10,
            "symbol": LOOKS.get(grouping, "square"),
            "line": {"width": 2, "color": COLOURS[index % len(COLOURS)]},
        },
        text=[format_value(row.get(measure)) or str(row.get("note")) for row in rows],
        hovertemplate="%{y}: %{text}<extra>" + grouping + "</extra>",
    )


def _kind(row: Row) -> tuple[str, str]:
    return str(row.get("ends", "both")), str(row["perturbed"])


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _figure(x: str, y: str) -> go.Figure:
    figure = go.Figure()
    _decorate(figure)
    figure.update_xaxes(title_text=x)
    figure.update_yaxes(title_text=y)
    return figure


def _decorate(figure: go.Figure) -> None:
    """Apply the common layout, with room for the titles of panels and axes."""
    figure.update_layout(LAYOUT | {"margin": {"l": 60, "r": 20, "t": 40, "b": 50}})
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zeroline=False)
