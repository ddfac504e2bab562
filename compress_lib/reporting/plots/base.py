"""What all charts share. Only the modules called plots import plotly.

Backgrounds are transparent and texts mid-grey, so that a chart reads on light and dark alike.
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

# Okabe and Ito's palette for colour-blind readers, without its black and yellow, and a little
# lighter, so that it shows on dark as well.
PALETTE = ("#2f86c9", "#e69f00", "#13a079", "#cc79a7", "#dd6a2b", "#63bdf0")

COLOURS = (*PALETTE, "#8c6bb1", "#7f8c2d", "#b5495b", "#4d6fa9", "#2aa7a1", "#9a7b4f")
"""Where more lines than the palette has colours are to be told apart."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon", "cross", "x")

FARTHEST = 1e7
"""A perplexity beyond it is drawn there: nothing is left of the model."""

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
    """Return how every axis looks."""
    return {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": GRID,
        "title": {"font": {"size": 13}},
        "automargin": True,
    }


def figure_of(x_title: str, y_title: str) -> go.Figure:
    """Return an empty chart with titles at its axes."""
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
    """A heat map of families × layers.

    Args:
        cells: By family and layer; where nothing stands, the map is empty.
        title: Of the colours.
        logarithmic: Colour by powers of ten, where one cell would outshine all others.
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
            # Above the map and not beside it, where it would take half of a phone's width.
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
    """Return ticks at the powers of ten, and thrice those, that values lie between."""
    values = [log10(max(float(value), 1e-6)) for value in cells.values() if value is not None]
    if not values:
        return {}
    powers = range(floor(min(values)), ceil(max(values)) + 1)
    ticks = [power + part for power in powers for part in (0.0, log10(3))]
    return {"tickvals": ticks, "ticktext": [f"{10**tick:.3g}" for tick in ticks]}


def drawing_library() -> str:
    """Return the script that draws charts in a browser, for pages that share one file of it."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
