"""Direction error charts: histogram over embedding rows, and error by layer."""

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
"""Columns of small charts."""

BIN = 0.01
"""Error width of a linear axis: densities are % of tokens per width."""

NARROW = 0.001
"""Error width if all errors are below `NARROW_AXIS`, where densities would exceed 100%."""

DECADE = 0.1
"""Width on a logarithmic axis: a tenth of a power of ten."""

NARROW_AXIS = 0.05
"""Errors all below this value use the width `NARROW`."""

FINEST = 0.001
"""Minimum bin width on a linear axis; narrower bins would be needles."""

SMALLEST = 1e-7
"""Lower edge of the first bin on a logarithmic axis; it includes smaller errors and zeros."""


@dataclass(frozen=True)
class Axis:
    """Axis settings of a histogram of direction errors.

    Attributes:
        cumulative: Show the share of tokens up to each error instead of the density.
        weighted: Weight tokens by their frequency in the calibration text.
        logarithmic: Use a logarithmic error axis, which separates good embeddings.
        width: Error width of densities on a linear axis.
    """

    cumulative: bool = False
    weighted: bool = False
    logarithmic: bool = False
    width: float = BIN

    @property
    def title(self) -> str:
        """Return the title of the y axis."""
        what = translate("Token occurrences") if self.weighted else translate("Tokens")
        if self.cumulative:
            return translate("{what} (cumulative %)").format(what=what)
        if self.logarithmic:
            return translate("{what} (% per tenth of a decade)").format(what=what)
        return translate("{what} (% per {width})").format(what=what, width=self.width)

    def points(
        self, edges: Sequence[float], counts: Sequence[int]
    ) -> tuple[list[float], list[float]]:
        """Return the errors of a line's points, and their shares or densities in percent.

        Args:
            edges: The bin edges `[bins + 1]`.
            counts: The tokens in each bin `[bins]`.
        """
        if not self.logarithmic:
            edges, counts = _coarse(edges, counts)
        total = sum(counts) or 1
        if self.cumulative:
            return list(edges[1:]), [100 * count / total for count in accumulate(counts)]
        if self.logarithmic and edges[1] >= FINEST:
            # Older records do not resolve the errors within their first bin.
            edges, counts = edges[1:], counts[1:]
        # Bins differ in width, so show a density: the share of tokens per width.
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
        """Return the errors that the axis must cover: those of all but 1 in 5000 rows.

        Args:
            edges: The bin edges `[bins + 1]`.
            counts: The tokens in each bin `[bins]`.
        """
        middles, shares = replace(self, cumulative=False).points(edges, counts)
        if self.logarithmic:
            return [m for m, share in zip(middles, shares, strict=True) if share > 0.02]
        _, counts = _coarse(edges, counts)
        least = sum(counts) / 5000
        return [m for m, count in zip(middles, counts, strict=True) if count > least]


def suits_logarithm(record: RunRecord) -> bool:
    """Return whether over 95% of a run's embedding rows have errors too small for a linear axis."""
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
    """Return the histogram of embedding direction errors: one line per run.

    A dotted line shows random noise of the same norm.

    Args:
        records: Runs; those without a compressed embedding are skipped.
        empty: The text of an empty chart.
        how: The axis settings; None chooses them from the runs. Weighted histograms have no noise
            line and skip runs without calibration text.
    """
    how = how or Axis(logarithmic=any(map(suits_logarithm, records)))
    errors = _reach(records, how)
    if not how.logarithmic and max([0.0, *errors]) < NARROW_AXIS:
        how = replace(how, width=NARROW)
    figure = figure_of(translate("Direction error of rows (1 − cos)"), how.title)
    for position, record in enumerate(records):
        direction = record.direction
        if direction is None:
            continue
        # Several runs may share a method, so only a single run has the colour of its method.
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
                    hovertemplate=f"{translate('error')} ≈ %{{x:.3g}}<br>%{{y:.2f}}%",
                )
            )
    if not figure.data:
        figure.add_annotation(text=empty, showarrow=False, font={"size": 14})
    _set_error_axis(figure, errors, logarithmic=how.logarithmic)
    figure.update_layout(height=340)
    return figure


def _set_error_axis(figure: go.Figure, errors: Sequence[float], *, logarithmic: bool) -> None:
    """Set the x axis to a range that covers the errors."""
    if not logarithmic:
        figure.update_xaxes(range=[0, min(1.2 * max([BIN, *errors]), 1.05)])
        return
    errors = errors or [BIN, 1.0]
    ends = log10(min(errors) / 2), log10(min(2 * max(errors), 2.0))
    short = ends[1] - ends[0] < 2
    figure.update_xaxes(type="log", range=ends, dtick="D2" if short else 1, exponentformat="power")


def _reach(records: Sequence[RunRecord], how: Axis) -> list[float]:
    """Return the errors that the axis must cover for all runs; see `Axis.reach`."""
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
    """Return the counts, dash and name of each line of a run."""
    if weighted:
        return [(direction.weighted_counts, "solid", name)] if direction.weighted_counts else []
    return [
        (direction.counts, "solid", name),
        (direction.control_counts, "dot", translate("random noise, same norm")),
    ]


def _coarse(edges: Sequence[float], counts: Sequence[int]) -> tuple[list[float], list[int]]:
    """Merge bins that are narrower than `FINEST`."""
    merged_edges, merged_counts, pending = [edges[0]], list[int](), 0
    for edge, count in zip(edges[1:], counts, strict=True):
        pending += count
        if edge - merged_edges[-1] >= FINEST * 0.999:
            merged_edges.append(edge)
            merged_counts.append(pending)
            pending = 0
    return merged_edges, merged_counts


def direction_by_layer(record: RunRecord) -> go.Figure | None:
    """Return small charts of direction error by layer, one per module type.

    A line shows the mean over rows, and a band reaches up to the 95th percentile.

    Returns:
        The figure, or None if no module type was compressed in two layers.
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
        name = translate("95th percentile") if fill else translate("mean")
        figure.add_trace(
            go.Scatter(
                x=layers,
                y=values,
                mode="lines",
                line=line,
                fill=fill,
                fillcolor="rgba(47, 134, 201, 0.18)",
                hovertemplate=f"{translate('layer')} %{{x}}, {name} %{{y:.4f}}<extra></extra>",
            ),
            **place,
        )
