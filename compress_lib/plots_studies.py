"""Charts of studies: one figure each, chosen by what its rows hold."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compress_lib.plots_base import GRID, INK, layer_map
from compress_lib.studies.record import Row, StudyRecord, rounded
from compress_lib.targets import FAMILIES

COLOURS = (
    *("#2f86c9", "#e69f00", "#13a079", "#cc79a7", "#dd6a2b", "#63bdf0"),
    *("#8c6bb1", "#7f8c2d", "#b5495b", "#4d6fa9", "#2aa7a1", "#9a7b4f"),
)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon", "cross", "x")


def study_figure(record: StudyRecord) -> go.Figure:
    """Draw a study: a heat map of modules, lines over a perturbation, or methods over bytes."""
    if "layer" in record.columns:
        return module_map(record)
    if "level" in record.columns:
        return perturbations(record)
    return grid(record)


def study_page(record: StudyRecord) -> str:
    """Return a page of its own with the figure, the question and the table; needs no network."""
    figure = study_figure(record).to_html(full_html=False, include_plotlyjs=True)
    head = "".join(f"<th>{escape(label)}</th>" for label in record.columns.values())
    body = "".join(
        "<tr>"
        + "".join(f"<td>{escape(rounded(row.get(n)))}</td>" for n in record.columns)
        + "</tr>"
        for row in record.rows
    )
    title = escape(record.label)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px system-ui;margin:2rem;max-width:1200px}td,th{padding:.2rem .6rem;"
        "text-align:left;border-bottom:1px solid #ddd}</style>"
        f"<h1>{title}</h1><p>{escape(record.question)}</p><p>{escape(about(record))}"
        f"</p>{figure}<table><tr>{head}</tr>{body}</table></html>\n"
    )


def about(record: StudyRecord) -> str:
    """Say in a sentence what the numbers come from."""
    settings = ", ".join(f"{name} {value}" for name, value in record.settings.items())
    return (
        f"{record.model.id} ({record.model.source}), baseline perplexity {record.baseline:.2f} on "
        f"{record.text}. Settings: {settings}. Measured {record.created[:10]} with version "
        f"{record.environment.get('compress_lib', '')}."
    )


def module_map(record: StudyRecord, measure: str = "ratio") -> go.Figure:
    """A heat map of layers × families: how much worse the model is with only that one compressed.

    Args:
        record: Rows with family, layer and the measure.
        measure: The column that colours.
    """
    rows = [row for row in record.rows if row.get("layer") is not None]
    found = {(str(row["family"]), int(str(row["layer"]))): row.get(measure) for row in rows}
    return layer_map(found, record.columns.get(measure, measure))


def perturbations(record: StudyRecord) -> go.Figure:
    """Perplexity over the size of a perturbation, for each kind; all seeds, and their mean."""
    figure = _figure("Error of a row ÷ its norm", "Perplexity (log scale)")
    for index, (ends, kind) in enumerate(dict.fromkeys(_kind(row) for row in record.rows)):
        rows = [r for r in record.rows if _kind(r) == (ends, kind) and _number(r, "perplexity")]
        levels = sorted({_number(row, "level") for row in rows})
        means = [
            _mean([_number(r, "perplexity") for r in rows if _number(r, "level") == level])
            for level in levels
        ]
        look = {"color": COLOURS[index], "symbol": SYMBOLS[index], "size": 8}
        figure.add_trace(
            go.Scatter(
                x=levels,
                y=means,
                name=kind if ends == "both" else f"{kind}, {ends} only",
                mode="lines+markers",
                marker=look,
                line={"dash": "solid" if ends == "both" else "dot"},
            )
        )
        figure.add_trace(
            go.Scatter(
                x=[_number(row, "level") for row in rows],
                y=[_number(row, "perplexity") for row in rows],
                mode="markers",
                marker=look | {"size": 4},
                opacity=0.6,
                showlegend=False,
                hoverinfo="skip",
            )
        )
    figure.add_hline(y=record.baseline, line={"dash": "dot", "color": INK})
    figure.update_yaxes(type="log", dtick=1)
    figure.update_layout(height=420, legend={"orientation": "h", "y": -0.25})
    return figure


def grid(record: StudyRecord) -> go.Figure:
    """Perplexity and direction error over the size, one column a family, one line a method."""
    families = list(dict.fromkeys(str(row["matrices"]) for row in record.rows))
    titles = [FAMILIES.get(family, family) for family in families]
    figure = make_subplots(
        rows=2, cols=len(families), shared_xaxes=True, column_titles=titles, vertical_spacing=0.08
    )
    methods = list(dict.fromkeys(_series(row) for row in record.rows))
    for column, family in enumerate(families, start=1):
        for place, (method, grouping) in enumerate(methods):
            rows = [
                row
                for row in record.rows
                if row["matrices"] == family and _series(row) == (method, grouping)
            ]
            for line, measure in enumerate(("perplexity", "direction_error"), start=1):
                _add_method(figure, rows, measure, place, (line, column))
    _decorate(figure)
    figure.update_xaxes(title_text="times smaller", row=2, type="log", dtick="D2")
    figure.update_yaxes(title_text="Perplexity (log)", type="log", dtick=1, row=1, col=1)
    figure.update_yaxes(type="log", row=1)
    figure.update_yaxes(title_text="Direction error", row=2, col=1)
    figure.update_layout(height=680, legend={"orientation": "h", "y": -0.12})
    return figure


def _add_method(
    figure: go.Figure, rows: Sequence[Row], measure: str, place: int, where: tuple[int, int]
) -> None:
    measured = [row for row in rows if row.get(measure) is not None]
    if not measured:
        return
    method, grouping = _series(measured[0])
    name = method if grouping == "separated" else f"{method}, {grouping}"
    known = any(trace.name == name for trace in figure.data)
    colour = COLOURS[_position(method) % len(COLOURS)]
    figure.add_trace(
        go.Scatter(
            x=[row["times_smaller"] for row in measured],
            y=[row[measure] for row in measured],
            name=name,
            legendgroup=name,
            showlegend=not known,
            mode="lines+markers",
            line={"color": colour, "dash": "solid" if grouping == "separated" else "dot"},
            marker={
                "color": colour,
                "size": 8,
                "symbol": SYMBOLS[place % len(SYMBOLS)]
                + ("" if grouping == "separated" else "-open"),
            },
        ),
        row=where[0],
        col=where[1],
    )


def _position(name: str) -> int:
    return sum(ord(letter) * (index + 1) for index, letter in enumerate(name))


def _series(row: Row) -> tuple[str, str]:
    return str(row["method"]), str(row["grouping"])


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
    """Transparent and mid-grey, to be read on light and dark alike."""
    figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK, "size": 13},
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zeroline=False)
