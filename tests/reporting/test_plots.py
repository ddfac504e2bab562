"""Charts: what was measured is what is drawn, and both modes can read it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from compress_lib.methods import METHODS
from compress_lib.reporting.plots import frontier, matrices, spectrum, style
from compress_lib.reporting.plots.axes import FLOOR, scale_of
from compress_lib.results.landmarks import landmark_plans, landmark_targets, load_landmarks
from compress_lib.results.metrics import METRICS
from compress_lib.results.predictions import predicted_bytes
from compress_lib.results.records import RunRecord, SpeedRecord
from tests.support.compressed import run_record, target_record

LANDMARKS = load_landmarks()


def test_landmarks_are_the_plans_that_made_them() -> None:
    assert len(LANDMARKS) == len(landmark_plans())
    for record in LANDMARKS:
        assert record.plan.key == record.key
        assert record.perplexity.tokens == 2048
        assert "/" not in record.plan.evaluation.corpus
    baseline = next(record for record in LANDMARKS if not record.targets)
    assert baseline.perplexity.ratio == 1


def test_landmarks_know_the_whole_default_model() -> None:
    names = {name for record in LANDMARKS for target in record.targets for name in target.names}
    assert len(names) == 212


def test_the_frontier_has_every_run_and_rings_the_shown_one() -> None:
    own = [replace(LANDMARKS[1], key="mine")]
    figure = frontier.frontier(LANDMARKS, own, "mine")
    drawn = sum(len(trace.x) for trace in figure.data if trace.name != "Pareto front")
    compressed = [record for record in LANDMARKS if record.targets]
    assert drawn == len(compressed) + 1 + 1 + 1
    assert figure.layout.yaxis.type == "log"
    assert any(trace.name == "shown run" for trace in figure.data)


def test_a_frontier_opens_up_near_the_baseline() -> None:
    like = next(record for record in LANDMARKS if record.targets)

    def run(ratio: float) -> RunRecord:
        return replace(like, perplexity=replace(like.perplexity, ratio=ratio))

    scale = scale_of("perplexity")
    assert [scale.height(run(r)) for r in (1.01, 1.1, 2, 11)] == pytest.approx([0.01, 0.1, 1, 10])
    # What chance may account for lies on the baseline's line, and so does what is better.
    assert scale.height(run(0.98)) == scale.height(run(1.0001)) == FLOOR
    baseline = scale.baseline(like)
    assert baseline is not None and baseline[0] == FLOOR
    assert not scale.drawable(run(math.inf))
    axis = frontier.frontier([run(500.0)], []).layout.yaxis
    assert axis.ticktext == ("+0.1%", "+1%", "+10%", "2×", "10×", "100×")
    for tick, text in zip(axis.tickvals, axis.ticktext, strict=True):
        value = 1 + float(text[1:-1]) / 100 if text[-1] == "%" else float(text[:-1])
        assert value == pytest.approx(tick + 1)
    assert axis.range[0] < math.log10(FLOOR) and axis.range[1] > math.log10(499)


def test_a_legend_names_each_method_once_and_what_fillings_mean() -> None:
    names = [name for _, _, name in frontier.frontier_legend(LANDMARKS)]
    assert len(names) == len(set(names))
    assert {"SVD", "Two-sided SVD", "embedding only", "layers", "everything"} <= set(names)


def test_an_empty_frontier_is_drawn_too() -> None:
    assert len(frontier.frontier([], []).data) == 0


def test_memory_bars_add_up_to_the_model() -> None:
    record = LANDMARKS[1]
    figure = matrices.memory_bars(record)
    totals = {trace.name: sum(trace.x) * 1e6 for trace in figure.data}
    assert totals["Original"] == pytest.approx(record.memory.baseline_bytes)
    assert totals["Compressed, measured"] == pytest.approx(record.memory.compressed_bytes)
    assert "Compressed, predicted" not in totals
    foretold = predicted_bytes(record, landmark_targets()[0])
    both = matrices.memory_bars(record, foretold)
    assert "Compressed, predicted" in {trace.name for trace in both.data}


def test_a_map_of_layers_holds_every_layered_weight() -> None:
    record = next(r for r in LANDMARKS if {t.family for t in r.targets} > {"embedding", "query"})
    layered = [target for target in record.targets if target.layer is not None]
    (trace,) = matrices.error_map(record, "relative_error").data
    cells = [value for row in trace.z for value in row if value is not None]
    assert sorted(cells) == sorted(target.relative_error for target in layered)
    assert "Embedding" not in trace.y
    key = next(target for target in layered if target.family == "key" and target.layer == 7)
    drawn = trace.z[list(trace.y).index("Key")][list(trace.x).index(7)]
    assert drawn == key.relative_error


def test_a_map_of_an_incomplete_run_is_empty_where_nothing_was_done() -> None:
    targets = (target_record("query", layer=0), target_record("key", layer=2, rmse=0.5))
    (trace,) = matrices.error_map(run_record(targets=targets), "rmse").data
    assert [list(row) for row in trace.z] == [[None, None], [None, 0.5]]


def test_training_curves_have_a_chart_for_every_measure_and_mark_the_lowest() -> None:
    history = {
        "epoch": (1.0, 2.0, 3.0),
        "loss": (3.0, 1.0, 2.0),
        "rmse": (0.3, 0.2, 0.1),
        "perplexity": (math.inf, 9000.0, 30.0),
        "something_new": (math.nan,) * 3,
    }
    figure = matrices.training_curves(target_record(history=history))
    assert [note.text for note in figure.layout.annotations] == [
        *("Loss", "RMSE", "Perplexity", "Something new")
    ]
    assert [trace.name for trace in figure.data] == ["Loss", "RMSE", "Perplexity", "Something new"]
    assert all(list(trace.x) == [1, 2, 3] for trace in figure.data)
    assert [trace.marker.size.index(9) for trace in figure.data[:3]] == [1, 2, 2]
    assert list(figure.data[2].y) == [None, 9000.0, 30.0]
    assert figure.layout.yaxis3.type == "log"
    assert figure.layout.yaxis.type is None


def test_backgrounds_are_transparent_and_methods_keep_their_colours() -> None:
    figure = frontier.frontier(LANDMARKS, [])
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    styles = [style.method_style(name) for name in METHODS]
    assert len(set(styles)) == len(styles)


def test_what_no_other_run_beats_is_joined() -> None:
    for measure in ("perplexity", "top1"):
        best = frontier.pareto(LANDMARKS, scale_of(measure))
        for run in LANDMARKS:
            beaten = [
                other
                for other in LANDMARKS
                if other.memory.compressed_bytes <= run.memory.compressed_bytes
                and _cost(other, measure) < _cost(run, measure)
            ]
            assert not (beaten and run in best)
        sizes = [run.memory.compressed_bytes for run in best]
        assert sizes == sorted(sizes)


def _cost(record: RunRecord, measure: str) -> float:
    value = record.metrics()[measure]
    assert value is not None
    return value if METRICS[measure].lower_is_better else -value


@pytest.mark.parametrize("measure", frontier.MEASURES)
def test_any_measure_may_stand_over_size(measure: str) -> None:
    own = [run_record(key="mine", speed=SpeedRecord(100.0, 120.0))]
    figure = frontier.frontier(LANDMARKS, own, "mine", measure)
    keys = {point[1] for trace in figure.data if trace.customdata for point in trace.customdata}
    assert "mine" in keys
    log = figure.layout.yaxis.type == "log"
    assert log == (scale_of(measure).logarithmic)
    assert all(value > 0 for trace in figure.data for value in trace.y) or not log


def test_size_may_be_counted_in_parameters() -> None:
    memory = replace(
        run_record().memory, baseline_parameters=9_000_000, compressed_parameters=4_000_000
    )
    counted, older = run_record(key="counted", memory=memory), run_record(key="older")
    figure = frontier.frontier([], [counted, older], "counted", size="parameters")
    points = {
        point[1]: x
        for trace in figure.data
        if trace.customdata
        for x, point in zip(trace.x, trace.customdata, strict=True)
    }
    assert points == {"counted": 4.0}
    assert next(trace for trace in figure.data if trace.name == "Original").x == (9.0,)
    assert "parameters" in figure.layout.xaxis.title.text


def test_a_run_stands_under_the_method_that_was_asked_for() -> None:
    mixed = [record for record in LANDMARKS if "mixed" in record.plan.rules[0].method]
    assert mixed
    names = {trace.name for trace in frontier.frontier(mixed, []).data}
    assert any(name.startswith("Mixed (best method per matrix)") for name in names)


def test_a_spectrum_is_cut_at_the_rank_and_shows_what_is_left_out() -> None:
    values = [2.0**-index for index in range(12)]
    made = replace(
        target_record(), rank=5, rows=12, cols=12, bytes_before=288, bytes_after=5 * 24 * 2
    )
    figure = spectrum.spectrum(values, made)
    kept, left = figure.data
    assert list(kept.y) == values[:5]
    assert list(left.y) == values[4:]
    assert [shape.x0 for shape in figure.layout.shapes] == [5, 6]
    assert figure.layout.yaxis.type == "log"
    # Of pivots and coarse factors nothing breaks even there.
    for size in (5 * 24, 5 * 24 * 2 - 50):
        other = spectrum.spectrum(values, replace(made, bytes_after=size))
        assert [shape.x0 for shape in other.layout.shapes] == [5]
    whole = spectrum.spectrum(values, replace(made, rank=40))
    assert len(whole.data[0].y) == 12
