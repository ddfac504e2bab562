"""Charts of direction errors: every token has its share, and every axis shows what it must."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from compress_lib.reporting.plots import direction
from compress_lib.results.landmarks import load_landmarks
from compress_lib.results.records import RunRecord
from compress_lib.results.target_record import DirectionError
from tests.support.compressed import run_record, target_record

LANDMARKS = load_landmarks()


def test_histograms_show_all_tokens_as_shares() -> None:
    records = [record for record in LANDMARKS if record.direction is not None][:3]
    figure = direction.direction_histogram(records)
    assert len(figure.data) == 6
    for trace in figure.data:
        assert area(trace) == pytest.approx(100 * direction.BIN)


def area(trace: Any) -> float:
    """What lies below a line whose points stand in the middle of bins that begin at 0."""
    edges = [0.0]
    for middle in trace.x:
        edges.append(2 * middle - edges[-1])
    return float(sum(y * (b - a) for y, (a, b) in zip(trace.y, pairwise(edges), strict=True)))


def turned(edges: tuple[float, ...], counts: tuple[int, ...]) -> RunRecord:
    """A run whose token table has these direction errors."""
    record = run_record()
    assert record.direction is not None
    found = replace(record.direction, edges=edges, counts=counts, control_counts=counts)
    return replace(record, direction=found)


def test_needles_are_no_bins_of_a_linear_axis() -> None:
    record = turned((0.0, 1e-6, 1e-3, 2e-3, 2.0), (5, 3, 1, 1))
    solid, _ = direction.direction_histogram([record], how=direction.Axis()).data
    assert list(solid.x) == pytest.approx([5e-4, 1.5e-3, 1.001])
    assert list(solid.y) == pytest.approx([800, 100, 100 * 0.1 * 0.01 / 1.998])


def test_the_axis_ends_where_all_but_one_row_in_five_thousand_do() -> None:
    # A sharp peak must not hide a tail of two in a thousand.
    record = turned((0.0, 0.01, 0.011, 0.1, 0.2, 2.0), (0, 49_000, 900, 100, 0))
    linear = direction.direction_histogram([record], how=direction.Axis())
    assert linear.layout.xaxis.range[1] >= 0.15
    fewer = turned((0.0, 0.01, 0.011, 0.1, 0.2, 2.0), (0, 49_995, 0, 5, 0))
    narrow = direction.direction_histogram([fewer], how=direction.Axis())
    assert narrow.layout.xaxis.range[1] < 0.02


def test_shares_refer_to_a_width_that_holds_less_than_all() -> None:
    near = turned((0.0, 0.005, 0.006, 0.007, 2.0), (0, 60, 40, 0))
    figure = direction.direction_histogram([near])
    assert list(figure.data[0].y)[1:3] == pytest.approx([60, 40])
    assert "% per 0.001" in figure.layout.yaxis.title.text
    far = turned((0.0, 0.1, 0.2, 2.0), (50, 50, 0))
    figure = direction.direction_histogram([far])
    assert list(figure.data[0].y)[:2] == pytest.approx([5, 5])
    assert "% per 0.01" in figure.layout.yaxis.title.text


def test_an_older_run_has_no_place_where_its_bins_know_nothing() -> None:
    older = turned((0.0, 1e-3, 1e-2, 2.0), (50, 50, 0))
    how = direction.Axis(logarithmic=True)
    figure = direction.direction_histogram([older], how=how)
    assert min(figure.data[0].x) > 1e-3


def test_small_errors_are_drawn_on_a_logarithmic_axis_unasked() -> None:
    fine = turned((0.0, 1e-6, 1e-5, 1e-4, 1e-3, 2.0), (0, 10, 80, 10, 0))
    coarse = turned((0.0, 1e-3, 2.0), (100, 0))
    large = turned((0.0, 1e-6, 1e-3, 1e-1, 2.0), (0, 50, 50, 0))
    suited = [direction.suits_logarithm(record) for record in (fine, coarse, large)]
    assert suited == [True, False, False]
    figure = direction.direction_histogram([fine])
    assert figure.layout.xaxis.type == "log"
    low, high = figure.layout.xaxis.range
    assert low < -5.5
    assert -3.5 < high < -2.5
    # Bins that are a power of ten wide hold ten times what a tenth of one does.
    assert list(figure.data[0].y) == pytest.approx([0, 1, 8, 1, 0])
    assert "tenth of a decade" in figure.layout.yaxis.title.text
    # Runs over each other are drawn as the finest of them needs it.
    assert direction.direction_histogram([large, fine]).layout.xaxis.type == "log"
    assert direction.direction_histogram([large]).layout.xaxis.type is None


def test_directions_may_be_cumulative_and_weighted() -> None:
    record = run_record()
    assert record.direction is not None
    counted = replace(record, direction=replace(record.direction, weighted_counts=(2, 6)))
    draw = direction.direction_histogram
    solid, control = draw([counted], how=direction.Axis(cumulative=True)).data
    assert list(solid.x) == [1.0, 2.0]
    assert list(solid.y) == pytest.approx([100 * 319 / 320, 100])
    assert list(control.y) == [100, 100]
    (weighted,) = draw([counted], how=direction.Axis(weighted=True)).data
    assert list(weighted.y) == pytest.approx([0.25, 0.75])
    (note,) = draw([record], "no text", direction.Axis(weighted=True)).layout.annotations
    assert note.text == "no text"


def test_every_family_has_a_small_chart_of_its_layers() -> None:
    targets = [
        target_record(
            family,
            names=(f"{family}{layer}",),
            layer=layer,
            direction_error=DirectionError(layer / 10, 0.0, 0.5, 1.0),
        )
        for family in ("query", "ffn_out")
        for layer in (2, 1)
    ]
    figure = direction.direction_by_layer(run_record(targets=tuple(targets)))
    assert figure is not None
    assert [note.text for note in figure.layout.annotations] == ["Query", "FFN down"]
    assert [list(trace.x) for trace in figure.data] == [[1, 2]] * 4
    assert list(figure.data[1].y) == [0.1, 0.2]
    assert direction.direction_by_layer(run_record()) is None


def test_a_run_without_directions_says_so_in_their_place() -> None:
    untouched = [record for record in LANDMARKS if record.direction is None][:1]
    figure = direction.direction_histogram(untouched, "nothing turned")
    assert figure.layout.annotations[0].text == "nothing turned"
