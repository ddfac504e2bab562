"""Charts: what was measured is what is drawn, and both modes can read it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compress_lib import plots, plots_matrices
from compress_lib.landmarks import landmark_plans, load_landmarks
from compress_lib.methods import METHODS
from compress_lib.plan import Plan

LANDMARKS = load_landmarks()


def test_landmarks_are_the_plans_that_made_them() -> None:
    assert len(LANDMARKS) == len(landmark_plans())
    for record in LANDMARKS:
        assert Plan.from_json(record.plan).key == record.key
        assert record.perplexity.tokens == 2048
        assert "/" not in record.plan["evaluation"]["corpus"]
    baseline = next(record for record in LANDMARKS if not record.targets)
    assert baseline.perplexity.ratio == 1


def test_landmarks_know_the_whole_default_model() -> None:
    names = {name for record in LANDMARKS for target in record.targets for name in target.names}
    assert len(names) == 212


def test_the_frontier_has_every_run_and_rings_the_shown_one() -> None:
    own = [replace(LANDMARKS[1], key="mine")]
    figure = plots.frontier(LANDMARKS, own, "mine")
    drawn = sum(len(trace.x) for trace in figure.data)
    compressed = [record for record in LANDMARKS if record.targets]
    assert drawn == len(compressed) + 1 + 1 + 1
    assert figure.layout.yaxis.type == "log"
    assert any(trace.name == "these results" for trace in figure.data)
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert len(named) == len(set(named))


def test_an_empty_frontier_is_drawn_too() -> None:
    assert len(plots.frontier([], []).data) == 0


def test_histograms_show_all_tokens_as_shares() -> None:
    records = [record for record in LANDMARKS if record.direction is not None][:3]
    figure = plots.direction_histogram(records)
    assert len(figure.data) == 6
    for trace in figure.data:
        assert sum(trace.y) == pytest.approx(100)


def test_a_run_without_directions_says_so_in_their_place() -> None:
    untouched = [record for record in LANDMARKS if record.direction is None][:1]
    figure = plots.direction_histogram(untouched, "nothing turned")
    assert figure.layout.annotations[0].text == "nothing turned"


def test_memory_bars_add_up_to_the_model() -> None:
    record = LANDMARKS[1]
    figure = plots_matrices.memory_bars(record)
    totals = {trace.name: sum(trace.x) * 1e6 for trace in figure.data}
    assert totals["Baseline"] == pytest.approx(record.memory.baseline_bytes)
    assert totals["Compressed"] == pytest.approx(record.memory.compressed_bytes)


def test_backgrounds_are_transparent_and_methods_keep_their_colours() -> None:
    figure = plots.frontier(LANDMARKS, [])
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    styles = [plots.method_style(name) for name in METHODS]
    assert len(set(styles)) == len(styles)
