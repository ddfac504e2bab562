"""Common layout, colours and heat map of all charts.

Backgrounds are transparent and texts mid-grey, so that charts work in light and dark mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any

import plotly.graph_objects as go

from compress_lib.models.targets import FAMILIES
from compress_lib.utils.translation import translate

INK = "#7c8494"
GRID = "rgba(128, 136, 150, 0.22)"

# Okabe and Ito's palette for colour-blind readers without black and yellow, slightly lightened for
# dark backgrounds.
PALETTE = ("#2f86c9", "#e69f00", "#13a079", "#cc79a7", "#dd6a2b", "#63bdf0")

COLOURS = (*PALETTE, "#8c6bb1", "#7f8c2d", "#b5495b", "#4d6fa9", "#2aa7a1", "#9a7b4f")
"""Extended palette for charts with more lines than `PALETTE` has colours."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon", "cross", "x")

FARTHEST = 1e7
"""Perplexities above this value, of unusable models, are clipped to it."""

LAYOUT: dict[str, Any] = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": INK, "size": 13, "family": "system-ui, sans-serif"},
    "margin": {"l": 12, "r": 16, "t": 12, "b": 12},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    "hoverlabel": {"font": {"size": 13, "color": "#ffffff"}, "bgcolor": "#2b3040"},
    "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": INK, "activecolor": PALETTE[0]},
}


def axis() -> dict[str, Any]:
    """Return the style of every axis."""
    return {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": GRID,
        "title": {"font": {"size": 13}},
        "automargin": True,
    }


def figure_of(x_title: str, y_title: str) -> go.Figure:
    """Return an empty chart with axis titles."""
    return go.Figure(
        layout={
            **LAYOUT,
            "xaxis": {**axis(), "title": {"text": x_title}},
            "yaxis": {**axis(), "title": {"text": y_title}},
        }
    )


def layer_map(
    cells: Mapping[tuple[str, int], Any], title: str, *, logarithmic: bool = False
) -> go.Figure:
    """Return a heat map of module types × layers.

    Args:
        cells: Values by family and layer; missing cells stay empty.
        title: The title of the colour scale.
        logarithmic: Use a logarithmic colour scale, for values that span orders of magnitude.
    """

    def colour(value: Any) -> float | None:
        if value is None or not logarithmic:
            return value  # type: ignore[no-any-return]
        return log10(max(float(value), 1e-6))

    families = [family for family in FAMILIES if any(key[0] == family for key in cells)]
    layers = sorted({layer for _, layer in cells})
    axis = translate("layer")
    figure = figure_of("", "")
    figure.add_trace(
        go.Heatmap(
            x=layers,
            y=[FAMILIES[family] for family in families],
            z=[[colour(cells.get((family, layer))) for layer in layers] for family in families],
            customdata=[[cells.get((family, layer)) for layer in layers] for family in families],
            colorscale="Cividis",
            # Beside the map, the colour bar would take half of a phone's width.
            colorbar={
                "title": {
                    "text": translate("{measure} by layer").format(measure=title),
                    "side": "top",
                    "font": {"size": 13},
                },
                "orientation": "h",
                "thickness": 12,
                "y": 1.02,
                "yanchor": "bottom",
                "nticks": 5,
                **(_powers(cells) if logarithmic else {}),
            },
            hovertemplate=f"%{{y}}, {axis} %{{x}}: %{{customdata:.4g}}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False)
    figure.update_layout(height=130 + 34 * max(len(families), 3))
    return figure


def _powers(cells: Mapping[tuple[str, int], Any]) -> dict[str, Any]:
    """Return ticks at 10ⁿ and 3 · 10ⁿ over the range of the values."""
    values = [log10(max(float(value), 1e-6)) for value in cells.values() if value is not None]
    if not values:
        return {}
    powers = range(floor(min(values)), ceil(max(values)) + 1)
    ticks = [power + part for power in powers for part in (0.0, log10(3))]
    return {"tickvals": ticks, "ticktext": [f"{10**tick:.3g}" for tick in ticks]}


def drawing_library() -> str:
    """Return the source of plotly.js, for pages that share one file of it."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
