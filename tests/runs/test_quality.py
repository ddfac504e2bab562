"""Whole models by every method: rows that resume, refuse and compare, and the table of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from compress_lib.cli.main import main
from compress_lib.compression.compress import compress_at_once
from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError
from compress_lib.matrices import LowRankMatrix
from compress_lib.methods import METHODS
from compress_lib.methods.curvature import curvature, replacement_loss
from compress_lib.methods.linalg import damp
from compress_lib.methods.statistics import Statistics
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.runs.studies.measuring.quality import (
    QualityContext,
    estimate_loss,
    measure_row,
    read_quality_context,
)
from compress_lib.runs.studies.quality import candidates, table
from compress_lib.runs.studies.quality.candidates import KEEPS, Candidate, quality_entries, whole
from compress_lib.runs.studies.quality.rows import QualityRow, load_rows, read_row
from tests.support.quality_fixtures import CALIBRATION, ENTRIES, SECOND, TEXT
from tests.support.tiny import save_tiny, tiny_model

FEW = ["--tokens", "200", "--context", "50", "--calibration-tokens", "400", "--device", "cpu"]

pytestmark = pytest.mark.usefixtures("shared_home")


def test_every_row_is_a_plan_of_its_own() -> None:
    keys = [Plan(rules=entry.rules).key for entry in ENTRIES.values()]
    assert len(set(keys)) == len(keys)
    for entry in ENTRIES.values():
        assert {rule.keep for rule in entry.rules if entry.keep} <= {entry.keep}
    for name in ("dense", "rows-8", "rows-4"):
        assert ENTRIES[name].keep is None
    for name in ("int8", "int4", "int3-gptq", "nf4"):
        assert ENTRIES[name].keep is None
    for name in ("svd", "autoencoder-p1", "autoencoder-p2", "output_pca"):
        assert all(f"{name}-{keep:g}" in ENTRIES for keep in KEEPS)


def test_a_new_method_has_its_rows_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS))
    for name, sized in (("new", False), ("own_size", True)):
        made = type(name, (METHODS["svd"],), {"name": name, "label": "New", "fixed_size": sized})
        METHODS.register(made)
    found = quality_entries()
    assert [name for name in found if name.startswith("new")] == [f"new-{k:g}" for k in KEEPS]
    assert found["own_size"].rules[0].keep == 1.0
    assert not any(name.startswith("random_control") for name in found)


def test_the_dense_model_costs_nothing(quality_rows: dict[str, QualityRow]) -> None:
    found = quality_rows["dense"].found
    assert found is not None
    assert found.text.perplexity.ratio == found.second.perplexity.ratio == 1
    assert found.estimate == found.text.agreement.kl == 0
    assert found.memory.compressed_bytes == found.memory.baseline_bytes


@pytest.mark.parametrize("name", ["svd-0.5", "two_sided_svd-automatic-0.5", "rows-8"])
def test_a_row_has_both_texts_its_bytes_and_its_estimate(
    name: str, quality_bench: QualityContext, quality_rows: dict[str, QualityRow]
) -> None:
    row = quality_rows[name]
    found = row.found
    assert found is not None
    assert (found.text.perplexity.corpus, found.second.perplexity.corpus) == (
        "prose",
        "python-docs",
    )
    assert found.second.perplexity.tokens == 150
    assert found.second.agreement.kl > 0
    # The file has a header beside its tensors.
    assert 0 < found.file_bytes - found.memory.compressed_bytes < 40_000
    assert found.memory.compressed_bytes < found.memory.baseline_bytes
    assert 0 < found.estimate < math.inf
    assert found.seconds["compress"] <= found.seconds["total"]
    assert row.plan.rules == ENTRIES[name].rules
    assert QualityRow.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_less_error_is_less_estimated_loss(quality_rows: dict[str, QualityRow]) -> None:
    estimates = [quality_rows[n].found.estimate for n in ("rows-8", "rows-4", "svd-0.5")]  # type: ignore[union-attr]
    assert estimates == sorted(estimates)


def test_the_estimate_is_the_one_that_shares_bytes_out(quality_bench: QualityContext) -> None:
    from compress_lib.compression.compress import allocate_by_loss

    rule = Rule(pattern="ffn_in", method="two_sided_svd", keep=0.5, allocation="automatic")
    assigned = allocate(Plan(rules=(rule,)), quality_bench.model.targets)
    shared = allocate_by_loss(quality_bench.model, assigned, quality_bench.calibration)
    _, small = compress_at_once(
        quality_bench.model, shared.assignments, calibration=quality_bench.calibration
    )
    found = estimate_loss(
        quality_bench.model, small, quality_bench.statistics(), quality_bench.calibration
    )
    # Closed forms shrink the curvature a little, and factors are rounded.
    assert found == pytest.approx(shared.loss, rel=0.5)


def test_parts_of_fused_weights_are_found_in_their_places() -> None:
    bench = read_quality_context(tiny_model("gpt2"), TEXT, SECOND, CALIBRATION)
    total = 0.0
    for pattern in ("query", "key,value", "embedding"):
        assigned = allocate(Plan(rules=(Rule(pattern=pattern, keep=0.4),)), bench.model.targets)
        _, small = compress_at_once(bench.model, assigned)
        total += estimate_loss(bench.model, small, bench.statistics(), bench.calibration)
    rule = Rule(pattern="query,key,value,embedding", keep=0.4)
    _, small = compress_at_once(bench.model, allocate(Plan(rules=(rule,)), bench.model.targets))
    whole_loss = estimate_loss(bench.model, small, bench.statistics(), bench.calibration)
    assert whole_loss == pytest.approx(total)


def test_a_stored_bias_counts_in_the_estimate() -> None:
    made = torch.Generator().manual_seed(0)
    inputs = torch.randn(50, 6, generator=made) + 3
    gradients = torch.randn(50, 4, generator=made)
    weight = torch.randn(4, 6, generator=made)
    known = Statistics(
        second_moment=inputs.T @ inputs / 50,
        mean=inputs.mean(0),
        output_gradient=gradients.T @ gradients / 50,
    )
    bias = torch.randn(4, generator=made).half().float()
    left, right = torch.randn(4, 2, generator=made), torch.randn(2, 6, generator=made)
    matrix = LowRankMatrix.from_factors(left, right, torch.float32, bias=bias)
    error, mean = (matrix.to_dense() - weight).double(), inputs.mean(0).double()
    around = damp(known.require("second_moment"), 0.1) - 0.9 * mean[:, None] * mean
    at_mean = error @ mean + bias.double()
    moment = error @ around @ error.T + at_mean[:, None] * at_mean
    expected = 0.5 * float((damp(known.require("output_gradient"), 0.3) * moment).sum())
    assert replacement_loss(matrix, weight, known) == pytest.approx(expected, rel=1e-5)
    plain = replacement_loss(matrix, weight, replace(known, mean=None))
    assert plain == pytest.approx(curvature(known).damped().loss(matrix.to_dense() - weight))


def test_what_a_method_refuses_is_a_row(quality_bench: QualityContext) -> None:
    tight = next(Candidate("tight", "Tight", whole("svd"), keeps=(0.001,)).entries())
    row = measure_row(quality_bench, tight)
    assert row.found is None
    assert "below rank 1" in str(row.refused)
    assert table.quality_study([row]) is None


def test_a_broken_compressed_model_is_a_row_too(
    quality_bench: QualityContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compress_lib.errors import NotFiniteError
    from compress_lib.runs.studies.measuring import quality

    def broken(*_: object) -> None:
        raise NotFiniteError("nothing is finite")

    monkeypatch.setattr(quality, "_measure", broken)
    assert measure_row(quality_bench, ENTRIES["dense"]).refused == "nothing is finite"


def test_calibration_text_stands_in_neither_text(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("The tide came in and the lamp went out again and again. " * 80)
    for pair in (
        (TEXT, replace(SECOND, corpus=str(own))),
        (replace(TEXT, corpus=str(own)), SECOND),
    ):
        with pytest.raises(CompressionError, match="would bias the result"):
            read_quality_context(tiny_model(), *pair, replace(CALIBRATION, corpus=str(own)))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cheap candidates, one of which is refused."""
    chosen = (
        Candidate("dense", "Uncompressed", (Rule(method="dense"),), keeps=()),
        Candidate("svd", "SVD", whole("svd"), keeps=(0.5, 0.001)),
    )
    monkeypatch.setattr(candidates, "all_candidates", lambda: chosen)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("checkpoint")))


def test_the_command_resumes_and_shows_one_table(
    few: None, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["bench", "quality", "--model", folder, "--out", str(out), *FEW]
    assert main([*command, "--only", "svd-0.5"]) == 0
    assert [row.name for row in load_rows(out)] == ["svd-0.5"]
    first = (out / "svd-0.5.json").read_text()
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
    assert [row["method"] for row in printed["rows"]] == ["Uncompressed", "SVD", "SVD"]
    assert "refused" in printed["rows"][2]["note"]
    assert (out / "svd-0.5.json").read_text() == first
    assert (out / "quality.html").exists()
    assert main([*command, "--list"]) == 0
    listed = capsys.readouterr().out
    assert listed.count("measured") == 2
    assert listed.count("refused") == 1
    assert main([*command, "--markdown"]) == 0
    assert "| Uncompressed | — |" in capsys.readouterr().out


def test_a_key_names_all_that_numbers_depend_on(quality_bench: QualityContext) -> None:
    entry = ENTRIES["svd-0.5"]
    others = (
        replace(quality_bench, second=replace(SECOND, tokens=100)),
        replace(
            quality_bench, plan=replace(quality_bench.plan, evaluation=replace(TEXT, tokens=100))
        ),
        replace(quality_bench, texts=(*quality_bench.texts[:2], quality_bench.texts[0])),
        replace(quality_bench, model=replace(quality_bench.model, source="another place")),
    )
    keys = {
        quality_bench.key(ENTRIES["svd-0.6"]),
        *(other.key(entry) for other in (quality_bench, *others)),
    }
    assert len(keys) == 2 + len(others)


def test_a_row_with_another_key_is_made_again_and_one_with_another_name_is_not(
    few: None, folder: str, tmp_path: Path
) -> None:
    file = tmp_path / "dense.json"
    command = ["bench", "quality", "--model", folder, "--out", str(tmp_path), "--only", "dense"]
    assert main([*command, *FEW]) == 0
    first = read_row(file)
    assert first and first.found
    file.write_text(json.dumps(replace(first, key="of other texts").to_json()))
    assert main([*command, *FEW]) == 0
    second = read_row(file)
    assert second and second.found and second.key == first.key
    assert second.found.seconds != first.found.seconds
    file.write_text(json.dumps(replace(second, label="Another name").to_json()))
    assert main([*command, *FEW]) == 0
    assert read_row(file) == second
    assert main([*command, *FEW, "--fresh"]) == 0
    fresh = read_row(file)
    assert fresh and fresh.found and fresh.found.seconds != second.found.seconds
    file.write_text("{broken")
    assert read_row(file) is None
    assert load_rows(tmp_path) == ()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "svdd"], "Did you mean"),
        (["--tokens", "x"], "tokens must be"),
        (["--second-text", "prse"], "Did you mean 'prose'"),
        (["--out", __file__], "name a folder"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    arguments: list[str],
    complaint: str,
    folder: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["bench", "quality", "--model", folder, "--out", str(tmp_path), *FEW, *arguments]
    assert main(command) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_row_of_the_default_model(real_home: None) -> None:
    from compress_lib.models.loading import load_model

    text = TextSpec(tokens=64, context=64)
    model: LanguageModel = load_model("smollm2-135m", device="cpu")
    bench = read_quality_context(
        model, text, replace(text, corpus="python-docs"), replace(text, tokens=128)
    )
    row = measure_row(bench, ENTRIES["rows-8"])
    assert row.found is not None
    assert row.found.text.perplexity.ratio < 1.1
    assert row.found.memory.compressed_bytes / row.found.memory.baseline_bytes < 0.51
    assert row.found.estimate < 0.1
