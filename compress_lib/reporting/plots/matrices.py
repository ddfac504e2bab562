"""Weight charts of one run: bytes, errors by layer and training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isfinite
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compress_lib.models.targets import FAMILIES
from compress_lib.reporting.plots.base import LAYOUT, PALETTE, axis, figure_of, layer_map
from compress_lib.results.metrics import ERRORS, label
from compress_lib.results.records import RunRecord
from compress_lib.results.target_record import TargetRecord
from compress_lib.utils.formatting import format_bytes
from compress_lib.utils.translation import translate

BEFORE = "#aab2c2"
OUTLINED = {"color": "rgba(0,0,0,0)", "line": {"color": PALETTE[0], "width": 1.5}}
ABREAST = 2
"""Columns of training curves; a phone has no room for more."""

WIDE = 50
"""Ratio of largest to smallest value above which a training curve has a logarithmic axis."""


def memory_bars(record: RunRecord, predicted: Mapping[str, int] | None = None) -> go.Figure:
    """Return a bar chart of the megabytes of each component before and after compression.

    Args:
        record: The run.
        predicted: The bytes predicted from its plan, see `predictions.predicted_bytes`.
    """
    figure = figure_of(translate("Megabytes"), "")
    parts = [part for part in record.memory.components if part.baseline_bytes]
    names = [FAMILIES.get(part.component, part.component.capitalize()) for part in parts]
    bars: list[tuple[str, dict[str, Any], list[int]]] = [
        (
            translate("Compressed, measured"),
            {"color": PALETTE[0]},
            [p.compressed_bytes for p in parts],
        ),
        (translate("Original"), {"color": BEFORE}, [p.baseline_bytes for p in parts]),
    ]
    if predicted is not None:
        expected = [predicted[part.component] for part in parts]
        bars.insert(1, (translate("Compressed, predicted"), OUTLINED, expected))
    for name, marker, values in bars:
        figure.add_trace(
            go.Bar(
                y=names,
                x=[value / 1e6 for value in values],
                name=name,
                orientation="h",
                marker=marker,
                text=[format_bytes(value) for value in values],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{y}: %{x:.2f} MB",
            )
        )
    most = max(max(p.baseline_bytes, p.compressed_bytes) for p in parts) / 1e6
    figure.update_xaxes(range=[0, most * 1.18])
    figure.update_yaxes(autorange="reversed")
    height = 90 + 22 * len(bars) * len(parts)
    figure.update_layout(height=height, barmode="group", bargap=0.28)
    return figure


def error_map(record: RunRecord, measure: str) -> go.Figure:
    """Return a heat map of a reconstruction error over module types and layers.

    Args:
        record: The run.
        measure: One of `metrics.ERRORS`.
    """
    cells = {
        (target.family, target.layer): target.errors[measure]
        for target in record.targets
        if target.layer is not None
    }
    return layer_map(cells, translate(ERRORS[measure].label))


def training_curves(target: TargetRecord) -> go.Figure:
    """Return the training curves of a weight or its group, one small chart per metric.

    The lowest point of each curve is marked: lower is better for every metric.
    """
    epochs = target.history.get("epoch", ())
    measures = [name for name in target.history if name != "epoch"]
    rows = max(1, ceil(len(measures) / ABREAST))
    titles = [translate(label(name)) for name in measures]
    figure = make_subplots(
        rows, ABREAST, subplot_titles=titles, vertical_spacing=0.34 / rows, horizontal_spacing=0.18
    )
    for index, name in enumerate(measures):
        place = {"row": index // ABREAST + 1, "col": index % ABREAST + 1}
        _add_curve(figure, epochs, target.history[name], titles[index], place)
    figure.update_annotations(font={"size": 13})
    # Metrics are evaluated at whole epochs.
    figure.update_xaxes(**axis(), tick0=0, dtick=max(1, ceil(max(epochs, default=1) / 5)))
    figure.update_yaxes(**axis(), nticks=4, tickformat="~g", exponentformat="power")
    for index in range(max(0, len(measures) - ABREAST), len(measures)):
        place = {"row": index // ABREAST + 1, "col": index % ABREAST + 1}
        figure.update_xaxes(title_text=translate("Epoch"), **place)
    figure.update_xaxes(tickfont={"size": 11})
    figure.update_yaxes(tickfont={"size": 11})
    figure.update_layout(LAYOUT)
    figure.update_layout(height=60 + 175 * rows, showlegend=False, margin={"t": 34})
    return figure


def _add_curve(
    figure: go.Figure,
    epochs: Sequence[float],
    values: Sequence[float],
    name: str,
    place: dict[str, int],
) -> None:
    finite = [value for value in values if isfinite(value)]
    lowest = values.index(min(finite)) if finite else -1
    sizes = [9 if index == lowest else 3 for index in range(len(values))]
    figure.add_trace(
        go.Scatter(
            x=list(epochs),
            y=[value if isfinite(value) else None for value in values],
            name=name,
            mode="lines+markers",
            line={"color": PALETTE[0], "width": 2},
            marker={"size": sizes, "color": PALETTE[0]},
            hovertemplate=f"{translate('Epoch')} %{{x:.0f}}: %{{y:.5g}}<extra></extra>",
        ),
        **place,
    )
    if finite and min(finite) > 0 and max(finite) > WIDE * min(finite):
        figure.update_yaxes(type="log", **place)
