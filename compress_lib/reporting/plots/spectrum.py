"""The singular values of one matrix, and where its rank cuts them."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from compress_lib.reporting.plots.base import INK, PALETTE, figure_of
from compress_lib.reporting.plots.matrices import BEFORE
from compress_lib.results.target_record import TargetRecord
from compress_lib.utils.translation import translate


def spectrum(values: Sequence[float], target: TargetRecord) -> go.Figure:
    """Singular values against their number, with the rank that was kept.

    Of two plain factors the break-even rank is marked as well.

    Args:
        values: `[k]`, falling.
        target: What was made of the matrix; it has a rank.
    """
    rank = min(target.rank or 0, len(values))
    figure = figure_of(translate("Singular value index"), translate("Singular value (log scale)"))
    numbers = list(range(1, len(values) + 1))
    for name, part, colour in (
        (translate("kept"), slice(0, rank), PALETTE[0]),
        # Both curves have the point at the cut, so that there is no gap.
        (translate("dropped"), slice(max(rank - 1, 0), None), BEFORE),
    ):
        figure.add_trace(
            go.Scatter(
                x=numbers[part],
                y=[float(value) for value in values[part]],
                name=name,
                mode="lines",
                fill="tozeroy",
                line={"color": colour, "width": 2},
                hovertemplate="%{x}: %{y:.4g}<extra></extra>",
            )
        )
    for place, words, dash in (
        (rank, translate("rank {rank}").format(rank=rank), "solid"),
        *_break_even(target),
    ):
        figure.add_vline(place, line={"color": INK, "dash": dash, "width": 1.5})
        figure.add_annotation(
            x=place,
            y=1.0,
            yref="paper",
            text=words,
            showarrow=False,
            xanchor="right" if place > len(values) / 2 else "left",
            yanchor="bottom" if dash == "dot" else "top",
            font={"size": 12, "color": INK},
        )
    # Without a format of ours 20 and 50 would be written as 2 and 5.
    figure.update_yaxes(type="log", nticks=5, tickformat="~g")
    figure.update_xaxes(range=[0, len(values) + 1])
    figure.update_layout(height=330, legend={"orientation": "h", "y": 1.14})
    return figure


def _break_even(target: TargetRecord) -> list[tuple[int, str, str]]:
    """Return where two plain factors are as large as the matrix; other forms have no such rank."""
    numbers, both = target.rows * target.cols, target.rows + target.cols
    plain = (target.rank or 0) * both * target.bytes_before // numbers
    # A bias may be stored besides.
    beyond = target.bytes_after - plain
    is_plain = 0 <= beyond <= both * target.bytes_before // numbers
    return [(numbers // both, translate("break-even"), "dot")] if is_plain else []
