"""The benchmark's table: its order, its marks, what it says, and its chart."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from compress_lib.cli.space import documents
from compress_lib.models.catalogue import was_quantized
from compress_lib.reporting.plots.studies import study_figure, study_page
from compress_lib.runs.studies import StudyRecord, load_studies
from compress_lib.runs.studies.findings import findings
from compress_lib.runs.studies.measuring.quality import QualityContext
from compress_lib.runs.studies.quality import table
from compress_lib.runs.studies.quality.candidates import Candidate, whole
from compress_lib.runs.studies.quality.rows import QualityRow, load_rows
from tests.support.quality_fixtures import ENTRIES, marked

pytestmark = pytest.mark.usefixtures("shared_home")


def test_the_table_begins_with_the_largest_and_ends_with_refusals(
    quality_bench: QualityContext, quality_rows: dict[str, QualityRow]
) -> None:
    refused = replace(quality_rows["svd-0.5"], name="x", found=None, refused="too little: 3 bytes")
    record = table.quality_study([refused, *quality_rows.values()])
    assert record is not None
    assert list(record.columns) == list(table.COLUMNS)
    assert record.rows[0]["method"] == "Uncompressed"
    sizes = [row["megabytes"] for row in record.rows[:-1]]
    assert sizes == sorted(sizes, key=lambda size: -float(str(size)))
    assert record.rows[-1]["note"] == "refused: too little: 3 bytes"
    assert "150 tokens of python-docs" in record.text
    assert StudyRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert any("Spearman" in sentence for sentence in findings(record))


def test_only_4_bits_of_weights_that_had_4_are_marked(quality_rows: dict[str, QualityRow]) -> None:
    for change, expected in ((lambda row: row, []), (marked, ["Row quantization, 4 bits †"])):
        record = table.quality_study([change(row) for row in quality_rows.values()])
        assert record is not None
        found = [row["method"] for row in record.rows if str(row["method"]).endswith("†")]
        assert found == expected
        assert any("quantized once" in said for said in findings(record)) == bool(expected)


def test_rules_tell_whether_weights_are_rounded_to_4_bits() -> None:
    found = {entry.candidate.name for entry in ENTRIES.values() if entry.candidate.four_bit}
    assert {"rows-4", "int4", "int4-gptq", "nf4"} <= found
    assert found.isdisjoint({"dense", "svd", "rows-8", "int8", "int3"})
    assert Candidate("any", "Any", whole("svd"), mixed=True).four_bit


def test_sources_say_whether_weights_were_quantized() -> None:
    from compress_lib.models.catalogue import CATALOGUE, DEFAULT_MODEL

    package = CATALOGUE[DEFAULT_MODEL].package
    assert package is not None
    assert was_quantized(package.note)
    assert was_quantized(f"compressed from package x, {package.note}")
    assert not was_quantized("Hugging Face Hub")


def test_correlations_are_those_of_the_books() -> None:
    # Ties share the mean of their ranks: 3.5, 1, 3.5, 2 against 4, 1, 3, 2.
    ties = [(3.0, 4.0), (1.0, 1.0), (3.0, 3.0), (2.0, 2.0)]
    assert table.rank_correlation(ties) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    cubes = [(float(x), float(x) ** 3) for x in (1, 2, 5, 9)]
    assert table.rank_correlation(cubes) == pytest.approx(1)
    assert table.log_correlation(cubes) == pytest.approx(1)
    assert table.rank_correlation([(x, -y) for x, y in cubes]) == pytest.approx(-1)
    # 1 − 6 Σ d² ÷ (n (n² − 1)) with d = (0, 1, −1)
    assert table.rank_correlation([(1, 1), (2, 3), (3, 2)]) == pytest.approx(0.5)
    assert math.isnan(table.rank_correlation([(1, 1), (1, 2)]))


def test_the_chart_has_a_line_a_method_and_holds_what_is_no_number(
    quality_rows: dict[str, QualityRow],
) -> None:
    record = table.quality_study(list(quality_rows.values()))
    assert record is not None
    more = {**record.rows[0], "method": "SVD", "perplexity": None}
    figure = study_figure(replace(record, rows=(*record.rows, more)))
    lines = {trace.name: trace for trace in figure.data}
    assert len(lines["SVD"].x) == 2
    assert figure.layout.yaxis.type == "log"
    assert max(y for trace in figure.data for y in trace.y) == 1e7
    page = study_page(record)
    assert "Spearman" in page
    assert "Uncompressed" in page


def test_rows_that_come_along_are_of_one_kind() -> None:
    found = load_rows()
    assert len({row.model for row in found}) <= 1
    texts = {
        (text.digest, text.tokens, text.context)
        for row in found
        if row.found
        for text in (row.found.text.perplexity, row.found.second.perplexity)
    }
    assert len(texts) in (0, 2)
    assert all("/" not in row.plan.evaluation.corpus for row in found)


def test_readme_and_page_show_the_rows_that_come_along(
    quality_rows: dict[str, QualityRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in quality_rows.values():
        place = tmp_path / "quality" / f"{row.name}.json"
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(marked(row).to_json()))
    studies = load_studies(tmp_path / "studies")
    assert list(studies) == ["quality"]
    monkeypatch.setattr(documents, "load_studies", lambda: studies)
    filled = documents.fill("<!-- quality -->\n<!-- /quality -->\n")
    assert "| Row quantization, 4 bits † |" in filled
    assert "150 tokens of python-docs" in filled
    assert "† These weights" in filled
    from compress_lib.ui import studies_page

    monkeypatch.setattr(studies_page, "load_studies", lambda: studies)
    said, _, figure, cells, shown = studies_page.choose("quality")
    assert "Spearman" in said
    assert len(figure.data) == len(cells["data"]) == len(quality_rows)
    assert shown is studies["quality"]
