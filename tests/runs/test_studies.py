"""Studies: what they ask, that they can be stopped and resumed, and what they write."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError, StoppedError
from compress_lib.evaluation.likelihood import perplexity
from compress_lib.matrices.reconstruction_error import direction_error
from compress_lib.models.loading import LanguageModel
from compress_lib.reporting.plots.studies import study_figure, study_page
from compress_lib.runs.studies import STUDIES, Study, StudyRecord, build_study, load_studies
from compress_lib.runs.studies.context import read_study_context
from compress_lib.runs.studies.direction_norm import perturb
from compress_lib.runs.studies.grid import Grid, MethodVariant
from compress_lib.runs.studies.measuring.runner import run_study, write_study
from compress_lib.utils.progress import Event, Report, ignore
from tests.support.tiny import tiny_model

SMALL = TextSpec(tokens=96, context=48)
CALIBRATION = TextSpec(tokens=256, context=64)
FEW: dict[str, dict[str, Any]] = {
    "sensitivity": {"tokens": 64},
    "direction_norm": {"levels": "0.1,0.4", "seeds": 2},
    "p1": {"quick": True, "epochs": 1},
    "p2": {"quick": True, "epochs": 1},
}


def measured(
    study: Study, model: LanguageModel, folder: Path, report: Report = ignore
) -> StudyRecord:
    """Run a study to its end."""
    *_, record = run_study(
        study, model, folder, evaluation=SMALL, calibration=CALIBRATION, report=report
    )
    return record


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return tiny_model()


@pytest.fixture(params=sorted(STUDIES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_study_runs_from_end_to_end(name: str, model: LanguageModel, tmp_path: Path) -> None:
    study = build_study(name, FEW[name])
    record = measured(study, model, tmp_path)
    bench = read_study_context(model, SMALL, CALIBRATION)
    assert len(record.rows) == len(study.cells(bench))
    assert record.baseline == pytest.approx(perplexity(model, bench.examples))
    for row in record.rows:
        assert set(row) <= set(record.columns)
        assert row.get("perplexity") or row.get("note")
    assert sum(row.get("perplexity") is not None for row in record.rows) > len(record.rows) / 2
    assert study_figure(record).data
    assert StudyRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    files = write_study(record, tmp_path / "out", study_page(record))
    assert sorted(file.suffix for file in files) == [".csv", ".html", ".json", ".md"]
    rows = list(csv.reader(io.StringIO((tmp_path / "out" / f"{name}.csv").read_text())))
    assert rows[0] == list(record.columns) and len(rows) == 1 + len(record.rows)
    page = (tmp_path / "out" / f"{name}.html").read_text()
    assert "<table>" in page and 'src="http' not in page


def test_it_is_described(name: str) -> None:
    study = STUDIES[name]
    assert study.name == name and study.label and study.question.endswith((".", "?"))
    for option in study.options():
        assert option.label and option.help.endswith(".")


def test_what_was_measured_before_a_stop_stays(model: LanguageModel, tmp_path: Path) -> None:
    study = build_study("sensitivity", {"tokens": 64})
    seen = 0

    def stop(event: Event) -> None:
        nonlocal seen
        seen += event.message == "Measuring perplexity"
        if seen > 6:
            raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        measured(study, model, tmp_path, stop)
    first = (tmp_path / "sensitivity.jsonl").read_text().splitlines()
    assert 0 < len(first) < len(model.targets)
    # A line that was cut short by the stop is measured again.
    (tmp_path / "sensitivity.jsonl").write_text("\n".join([*first[:-1], first[-1][:20]]))
    record = measured(study, model, tmp_path)
    lines = (tmp_path / "sensitivity.jsonl").read_text().splitlines()
    assert [line for line in lines if line in first[:-1]] == first[:-1]
    assert len(record.rows) == len(model.targets)
    # Whole lines but for the torn one, so that the next time nothing is left to measure.
    assert len(lines) == len(model.targets) + 1


def test_rows_of_another_model_text_or_setting_are_not_taken(tmp_path: Path) -> None:
    study = build_study("sensitivity", {"tokens": 64, "include": "key"})
    first = measured(study, tiny_model(seed=1), tmp_path)
    other = measured(study, replace(tiny_model(seed=2), revision="1"), tmp_path)
    keep = build_study("sensitivity", {"tokens": 64, "include": "key", "keep": 0.3})
    third = measured(keep, tiny_model(seed=1), tmp_path)
    assert len(first.rows) == len(other.rows) == len(third.rows) == 2
    assert first.rows != other.rows and first.rows != third.rows


def test_sensitivity_replaces_one_weight_at_a_time(model: LanguageModel, tmp_path: Path) -> None:
    from compress_lib.compression.compress import compress_at_once
    from compress_lib.plan.allocation import allocate
    from compress_lib.plan.plan import Plan
    from compress_lib.plan.rule import Rule

    record = measured(build_study("sensitivity", {"keep": 0.4}), model, tmp_path)
    row = record.rows[3]
    only = allocate(Plan(rules=(Rule(pattern=str(row["module"]), keep=0.4),)), model.targets)
    bench = read_study_context(model, SMALL, CALIBRATION)
    expected = perplexity(compress_at_once(model, only)[1], bench.examples)
    assert row["perplexity"] == pytest.approx(expected)
    assert row["family"] and record.rows[0]["layer"] is None


@pytest.mark.parametrize("level", [0.01, 0.3, 1.0])
def test_a_perturbation_moves_every_row_by_its_level(level: float) -> None:
    weight = torch.randn(200, 32, generator=torch.Generator().manual_seed(0))
    weight *= torch.logspace(-2, 2, 200)[:, None]
    norms = weight.norm(dim=1)
    for kind in ("norm", "direction", "both"):
        moved = perturb(weight, kind, level, torch.Generator().manual_seed(1))
        errors = (moved - weight).norm(dim=1) / norms
        assert torch.allclose(errors, torch.full_like(errors, level), rtol=1e-3)
        if kind == "direction":
            assert torch.allclose(moved.norm(dim=1), norms, rtol=1e-5)
            turned = direction_error(weight, moved)
            assert torch.allclose(turned, torch.full_like(turned, level**2 / 2), rtol=1e-3)
        if kind == "norm" and level < 1:
            assert float(direction_error(weight, moved).max()) < 1e-5


def test_an_untied_table_has_one_end(tmp_path: Path) -> None:
    study = build_study("direction_norm", FEW["direction_norm"])
    record = measured(study, tiny_model("llama_untied"), tmp_path)
    assert {row["ends"] for row in record.rows} == {"both"}
    tied = measured(study, tiny_model("llama"), tmp_path / "tied")
    assert {row["ends"] for row in tied.rows} == {"both", "input"}


@pytest.mark.parametrize("paper", ["p1", "p2"])
def test_every_method_of_a_grid_has_the_same_budget(
    paper: str, model: LanguageModel, tmp_path: Path
) -> None:
    record = measured(build_study(paper, FEW[paper]), model, tmp_path)
    budgets: dict[tuple[object, ...], set[object]] = {}
    for row in record.rows:
        if row.get("note"):
            continue
        place = (row["matrices"], row["times_smaller"])
        budgets.setdefault(place, set()).add(row["budget"])
        assert isinstance(row["bytes"], int) and isinstance(row["budget"], int)
        assert row["bytes"] <= row["budget"]
    assert budgets and all(len(found) == 1 for found in budgets.values())


def test_what_shares_nothing_is_not_measured_concatenated() -> None:
    grid = build_study("p2", {})
    assert isinstance(grid, Grid)
    pairs = {(variant.method, rule.group) for variant, rule in grid.rules()}
    assert ("row_quantization", "concatenated") not in pairs
    assert ("svd", "concatenated") in pairs and ("row_quantization", "separated") in pairs
    assert MethodVariant("SVD", "svd").groups


def test_every_grouping_stands_in_the_legend_once() -> None:
    record = load_studies()["p2"]
    shown = [trace.name for trace in study_figure(record).data if trace.showlegend]
    assert sorted(shown) == ["concatenated", "separated"]


def test_seeds_repeat_what_is_random() -> None:
    grid = build_study("p2", {"seeds": 3})
    assert isinstance(grid, Grid)
    names = [c.label for c, rule in grid.rules() if rule.pattern == "key" and rule.keep > 0.3]
    assert {"autoencoder P2, seed 0", "autoencoder P2, seed 2"} <= set(names)
    assert names.count("SVD") == 2


def test_unknown_studies_and_options_are_told_the_nearest() -> None:
    with pytest.raises(CompressionError, match="sensitivity"):
        build_study("sensitivty", {})
    with pytest.raises(CompressionError, match="tokens"):
        build_study("sensitivity", {"token": 3})
    with pytest.raises(CompressionError, match="A level"):
        study = build_study("direction_norm", {"levels": "0.1,many"})
        study.cells(read_study_context(tiny_model(), SMALL, None))


def test_a_weight_that_is_too_small_for_a_keep_is_a_note(
    model: LanguageModel, tmp_path: Path
) -> None:
    record = measured(build_study("sensitivity", {"keep": 0.06}), model, tmp_path)
    notes = [row for row in record.rows if row.get("note")]
    assert 0 < len(notes) < len(record.rows)
    assert all("needs at least" in str(row["note"]) for row in notes)
    with pytest.raises(CompressionError, match="dense"):
        measured(build_study("sensitivity", {"method": "dense"}), model, tmp_path)


def test_what_is_chosen_by_perplexity_is_trained_for_each_end_of_a_tie(
    model: LanguageModel, tmp_path: Path
) -> None:
    record = measured(build_study("p1", {"quick": True, "epochs": 2}), model, tmp_path)
    both, one = (
        next(row for row in record.rows if row["method"] == "SVD" and row["grouping"] == grouping)
        for grouping in ("separated", "input only")
    )
    # The bytes are those of the compressed matrix, also where the original stays beside it.
    assert both["bytes"] == one["bytes"] and both["direction_error"] == one["direction_error"]
