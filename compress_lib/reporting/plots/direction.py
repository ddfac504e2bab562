"""Charts of directions: how far tokens turned, and how far the rows of every layer did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import ceil, log10, sqrt

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compress_lib.models.targets import FAMILIES
from compress_lib.reporting.plots.base import LAYOUT, PALETTE, axis, figure_of
from compress_lib.reporting.plots.style import method_style
from compress_lib.results.describe import describe
from compress_lib.results.records import RunRecord
from compress_lib.results.target_record import TargetRecord
from compress_lib.results.token_record import DirectionRecord
from compress_lib.utils.translation import translate

ABREAST = 3
"""Small charts side by side."""

BIN = 0.01
"""The width of error to which shares refer."""

NARROW = 0.001
"""The same where all errors lie within `NARROW_AXIS`, and shares would exceed 100 %."""

DECADE = 0.1
"""The same on a logarithmic axis: a tenth of a power of ten."""

NARROW_AXIS = 0.05
"""Where a linear axis has to end for shares of `NARROW`."""

FINEST = 0.001
"""The narrowest bins of a linear axis, where finer ones would be needles."""

SMALLEST = 1e-7
"""Where the first bin begins on a logarithmic axis: smaller errors, and zeros, are in it."""


@dataclass(frozen=True)
class Axis:
    """How a histogram of direction errors is drawn.

    Attributes:
        cumulative: Show the share of tokens up to an error.
        weighted: Count every token as often as the calibration text has it.
        logarithmic: Stretch small errors, which is how good tables are told apart.
        width: Of error, to which shares refer on a linear axis.
    """

    cumulative: bool = False
    weighted: bool = False
    logarithmic: bool = False
    width: float = BIN

    @property
    def title(self) -> str:
        """What the height of a line says."""
        what = translate("Token occurrences") if self.weighted else translate("Tokens")
        if self.cumulative:
            return translate("{what} (cumulative %)").format(what=what)
        if self.logarithmic:
            return translate("{what} (% per tenth of a decade)").format(what=what)
        return translate("{what} (% per {width})").format(what=what, width=self.width)

    def points(
        self, edges: Sequence[float], counts: Sequence[int]
    ) -> tuple[list[float], list[float]]:
        """Return where points stand, and their shares in percent."""
        if not self.logarithmic:
            edges, counts = _coarse(edges, counts)
        total = sum(counts) or 1
        if self.cumulative:
            return list(edges[1:]), [100 * count / total for count in accumulate(counts)]
        if self.logarithmic and edges[1] >= FINEST:
            # Of what an older record has in its first bin nobody knows how small it is.
            edges, counts = edges[1:], counts[1:]
        # Bins differ in width: what is shown is how many tokens lie within one width of error.
        spans = [(max(a, SMALLEST), b) if self.logarithmic else (a, b) for a, b in pairwise(edges)]
        if self.logarithmic:
            middles = [sqrt(a * b) for a, b in spans]
            widths = [log10(b / a) / DECADE for a, b in spans]
        else:
            middles = [(a + b) / 2 for a, b in spans]
            widths = [(b - a) / self.width for a, b in spans]
        return middles, [
            100 * count / total / width for count, width in zip(counts, widths, strict=True)
        ]

    def reach(self, edges: Sequence[float], counts: Sequence[int]) -> list[float]:
        """Return where rows lie, but for one in five thousand: that is what an axis has to show."""
        middles, shares = replace(self, cumulative=False).points(edges, counts)
        if self.logarithmic:
            return [m for m, share in zip(middles, shares, strict=True) if share > 0.02]
        _, counts = _coarse(edges, counts)
        least = sum(counts) / 5000
        return [m for m, count in zip(middles, counts, strict=True) if count > least]


def suits_logarithm(record: RunRecord) -> bool:
    """Whether nearly all rows of a run's token table turned so little that a linear axis ends."""
    direction = record.direction
    if direction is None:
        return False
    small = sum(
        count
        for edge, count in zip(direction.edges[1:], direction.counts, strict=True)
        if edge <= BIN
    )
    fine = direction.edges[1] < FINEST
    return fine and small > 0.95 * sum(direction.counts)


def direction_histogram(
    records: Sequence[RunRecord], empty: str = "", how: Axis | None = None
) -> go.Figure:
    """Direction errors of the embedding: a line a run, its same-norm control dotted.

    Args:
        records: Runs; those that leave the embedding as it is are passed over.
        empty: What to write where no run is left.
        how: Counted and drawn; as it suits the runs if left out. Where tokens count as often
            as the text has them there is no control, and runs that read no text are passed over.
    """
    how = how or Axis(logarithmic=any(map(suits_logarithm, records)))
    seen = _reach(records, how)
    if not how.logarithmic and max([0.0, *seen]) < NARROW_AXIS:
        how = replace(how, width=NARROW)
    figure = figure_of(translate("Direction error of rows (1 − cos)"), how.title)
    for position, record in enumerate(records):
        direction = record.direction
        if direction is None:
            continue
        # Of several runs two may be of one method, whose colour would not tell them apart.
        colour = PALETTE[position % len(PALETTE)]
        if len(records) == 1:
            method = next(t.method for t in record.targets if t.names[0] == direction.target)
            colour = method_style(method)[0]
        for counts, dash, name in _lines(direction, describe(record), weighted=how.weighted):
            middles, shares = how.points(direction.edges, counts)
            figure.add_trace(
                go.Scatter(
                    x=middles,
                    y=shares,
                    name=name,
                    mode="lines",
                    line={"color": colour, "dash": dash, "width": 2.5, "shape": "hvh"},
                    fill="tozeroy" if dash == "solid" and len(records) == 1 else None,
                    hovertemplate=f"{translate('error')} ≈ %{{x:.3g}}<br>%{{y:.2f}} %",
                )
            )
    if not figure.data:
        figure.add_annotation(text=empty, showarrow=False, font={"size": 14})
    if how.logarithmic:
        seen = seen or [BIN, 1.0]
        ends = log10(min(seen) / 2), log10(min(2 * max(seen), 2.0))
        few = ends[1] - ends[0] < 2
        figure.update_xaxes(
            type="log", range=ends, dtick="D2" if few else 1, exponentformat="power"
        )
    else:
        figure.update_xaxes(range=[0, min(1.2 * max([BIN, *seen]), 1.05)])
    figure.update_layout(height=340)
    return figure


def _reach(records: Sequence[RunRecord], how: Axis) -> list[float]:
    """Return where rows of any run lie; see `Axis.reach`."""
    return [
        place
        for record in records
        if record.direction
        for counts, _, _ in _lines(record.direction, "", weighted=how.weighted)
        for place in how.reach(record.direction.edges, counts)
    ]


def _lines(
    direction: DirectionRecord, name: str, *, weighted: bool
) -> list[tuple[tuple[int, ...], str, str]]:
    """Return counts, dash and name of a run's lines."""
    if weighted:
        return [(direction.weighted_counts, "solid", name)] if direction.weighted_counts else []
    return [
        (direction.counts, "solid", name),
        (direction.control_counts, "dot", translate("random noise, same norm")),
    ]


def _coarse(edges: Sequence[float], counts: Sequence[int]) -> tuple[list[float], list[int]]:
    """Put bins together that are narrower than the narrowest of a linear axis."""
    wider, found, held = [edges[0]], list[int](), 0
    for edge, count in zip(edges[1:], counts, strict=True):
        held += count
        if edge - wider[-1] >= FINEST * 0.999:
            wider.append(edge)
            found.append(held)
            held = 0
    return wider, found


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
    figure.update_yaxes(**axis(), rangemode="tozero", tickformat="~g")
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
        told = translate("95th percentile") if fill else translate("mean")
        figure.add_trace(
            go.Scatter(
                x=layers,
                y=values,
                mode="lines",
                line=line,
                fill=fill,
                fillcolor="rgba(47, 134, 201, 0.18)",
                hovertemplate=f"{translate('layer')} %{{x}}, {told} %{{y:.4f}}<extra></extra>",
            ),
            **place,
        )
