"""Charts of directions: how far tokens turned, and how far the rows of every layer did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import ceil

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compress_lib.describe import describe
from compress_lib.plots import method_style
from compress_lib.plots_base import LAYOUT, PALETTE, axis, figure_of
from compress_lib.results import DirectionRecord, RunRecord, TargetRecord
from compress_lib.targets import FAMILIES

ABREAST = 3
"""Small charts side by side."""

BIN = 0.01
"""The width of error to which shares refer."""


def direction_histogram(
    records: Sequence[RunRecord],
    empty: str = "",
    *,
    cumulative: bool = False,
    weighted: bool = False,
) -> go.Figure:
    """Direction errors of the embedding: a line a run, its same-norm control dotted.

    Args:
        records: Runs; those that leave the embedding as it is are passed over.
        empty: What to write where no run is left.
        cumulative: Show the share of tokens up to an error.
        weighted: Count every token as often as the calibration text has it; there is no control
            then, and runs that read no text are passed over.
    """
    what = "tokens in the text" if weighted else "tokens"
    share = f"{what.capitalize()} {'up to here' if cumulative else f'per {BIN} of error'} (%)"
    figure = figure_of("Direction error of a token's row (1 − cos)", share)
    longest = 0.01
    for position, record in enumerate(records):
        direction = record.direction
        if direction is None:
            continue
        method = next(t.method for t in record.targets if t.names[0] == direction.target)
        colour = method_style(method)[0] if len(records) < 3 else PALETTE[position % len(PALETTE)]
        for counts, dash, name in _lines(direction, describe(record), weighted=weighted):
            middles, shares = _shares(direction.edges, counts, cumulative=cumulative)
            filled = [m for m, n in zip(middles, counts, strict=True) if n > sum(counts) / 5000]
            longest = max([longest, *filled])
            figure.add_trace(
                go.Scatter(
                    x=middles,
                    y=shares,
                    name=name,
                    mode="lines",
                    line={"color": colour, "dash": dash, "width": 2.5, "shape": "hvh"},
                    fill="tozeroy" if dash == "solid" and len(records) == 1 else None,
                    hovertemplate="error ≈ %{x:.3f}<br>%{y:.2f} %",
                )
            )
    if not figure.data:
        figure.add_annotation(text=empty, showarrow=False, font={"size": 14})
    figure.update_xaxes(range=[0, min(1.2 * longest, 1.05)])
    figure.update_layout(height=340)
    return figure


def _lines(
    direction: DirectionRecord, name: str, *, weighted: bool
) -> list[tuple[tuple[int, ...], str, str]]:
    """Return counts, dash and name of a run's lines."""
    if weighted:
        return [(direction.weighted_counts, "solid", name)] if direction.weighted_counts else []
    return [
        (direction.counts, "solid", name),
        (direction.control_counts, "dot", "same-norm random noise"),
    ]


def _shares(
    edges: Sequence[float], counts: Sequence[int], *, cumulative: bool
) -> tuple[list[float], list[float]]:
    """Return where points stand, and their shares in percent."""
    total = sum(counts) or 1
    if cumulative:
        return list(edges[1:]), [100 * count / total for count in accumulate(counts)]
    # Bins differ in width: what is shown is how many tokens lie within 0.01 of error.
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    widths = (b - a for a, b in pairwise(edges))
    return middles, [
        100 * count / total * BIN / width for count, width in zip(counts, widths, strict=True)
    ]


def direction_by_layer(record: RunRecord) -> go.Figure | None:
    """How far the rows of every layer turned: a small chart a family, a band up to 95 % of rows.

    Returns:
        None where no family was compressed in two layers.
    """
    families: dict[str, list[TargetRecord]] = {}
    for target in record.targets:
        if target.layer is not None:
            families.setdefault(target.family, []).append(target)
    families = {name: families[name] for name in FAMILIES if len(families.get(name, ())) > 1}
    if not families:
        return None
    abreast = min(ABREAST, len(families))
    rows = ceil(len(families) / abreast)
    figure = make_subplots(
        rows,
        abreast,
        subplot_titles=[FAMILIES[name] for name in families],
        shared_yaxes="all",
        vertical_spacing=0.3 / rows,
        horizontal_spacing=0.05,
    )
    for index, targets in enumerate(families.values()):
        _add_layers(figure, targets, {"row": index // abreast + 1, "col": index % abreast + 1})
    figure.update_annotations(font={"size": 13})
    figure.update_xaxes(**axis())
    figure.update_yaxes(**axis(), rangemode="tozero")
    figure.update_layout(**{**LAYOUT, "margin": {**LAYOUT["margin"], "t": 34}}, showlegend=False)
    figure.update_layout(height=60 + 170 * rows)
    return figure


def _add_layers(figure: go.Figure, targets: Sequence[TargetRecord], place: dict[str, int]) -> None:
    ordered = sorted(targets, key=lambda target: target.layer or 0)
    layers = [target.layer for target in ordered]
    for values, line, fill in (
        ([t.direction_error.p95 for t in ordered], {"width": 0, "color": PALETTE[0]}, "tozeroy"),
        ([t.direction_error.mean for t in ordered], {"width": 2.5, "color": PALETTE[0]}, None),
    ):
        told = "95 % below" if fill else "mean"
        figure.add_trace(
            go.Scatter(
                x=layers,
                y=values,
                mode="lines",
                line=line,
                fill=fill,
                fillcolor="rgba(47, 134, 201, 0.18)",
                hovertemplate=f"layer %{{x}}, {told} %{{y:.4f}}<extra></extra>",
            ),
            **place,
        )
