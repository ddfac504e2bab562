"""Singular value spectrum of one matrix, with the kept rank."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from compress_lib.reporting.plots.base import INK, PALETTE, figure_of
from compress_lib.reporting.plots.matrices import BEFORE
from compress_lib.results.target_record import TargetRecord
from compress_lib.utils.translation import translate


def spectrum(values: Sequence[float], target: TargetRecord) -> go.Figure:
    """Return the chart of singular values by index, with the kept rank marked.

    If the matrix is stored as two dense factors, the break-even rank is marked as well.

    Args:
        values: The singular values `[k]`, descending.
        target: The record of the compressed matrix, which has a rank.
    """
    rank = min(target.rank or 0, len(values))
    figure = figure_of(translate("Singular value index"), translate("Singular value (log scale)"))
    numbers = list(range(1, len(values) + 1))
    for name, part, colour in (
        (translate("kept"), slice(0, rank), PALETTE[0]),
        # Both curves include the last kept point, so that there is no gap.
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
    for position, label, dash in (
        (rank, translate("rank {rank}").format(rank=rank), "solid"),
        *_break_even(target),
    ):
        figure.add_vline(position, line={"color": INK, "dash": dash, "width": 1.5})
        figure.add_annotation(
            x=position,
            y=1.0,
            yref="paper",
            text=label,
            showarrow=False,
            xanchor="right" if position > len(values) / 2 else "left",
            yanchor="bottom" if dash == "dot" else "top",
            font={"size": 12, "color": INK},
        )
    # By default, Plotly writes the ticks 20 and 50 as 2 and 5.
    figure.update_yaxes(type="log", nticks=5, tickformat="~g")
    figure.update_xaxes(range=[0, len(values) + 1])
    figure.update_layout(height=330, legend={"orientation": "h", "y": 1.14})
    return figure


def _break_even(target: TargetRecord) -> list[tuple[int, str, str]]:
    """Return the rank at which two dense factors are as large as the matrix.

    Other forms of storage have no such rank.
    """
    entries, per_rank = target.rows * target.cols, target.rows + target.cols
    factor_bytes = (target.rank or 0) * per_rank * target.bytes_before // entries
    # A bias may be stored in addition.
    extra_bytes = target.bytes_after - factor_bytes
    is_dense = 0 <= extra_bytes <= per_rank * target.bytes_before // entries
    return [(entries // per_rank, translate("break-even"), "dot")] if is_dense else []
