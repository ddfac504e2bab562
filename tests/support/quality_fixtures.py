"""Quality benchmark rows of a tiny model, measured once for all tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compress_lib.data.text_spec import TextSpec
from compress_lib.results.records import ModelRecord
from compress_lib.runs.studies.measuring.quality import (
    QualityContext,
    measure_row,
    read_quality_context,
)
from compress_lib.runs.studies.quality.candidates import quality_entries
from compress_lib.runs.studies.quality.rows import QualityRow
from tests.support.tiny import tiny_model

TEXT = TextSpec(tokens=200, context=50)
SECOND = TextSpec(corpus="python-docs", tokens=150, context=50)
CALIBRATION = TextSpec(tokens=400, context=50)
ENTRIES = quality_entries()


@pytest.fixture(scope="session")
def quality_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with the statistics shared by these tests."""
    return tmp_path_factory.mktemp("quality")


@pytest.fixture
def shared_home(
    quality_home: Path,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Use the shared data folder, so that statistics are collected only once."""
    if "real_home" not in request.fixturenames:
        monkeypatch.setenv("COMPRESS_LAB_HOME", str(quality_home))


@pytest.fixture(scope="session")
def quality_bench() -> QualityContext:
    """Quality context of a tiny model with two evaluation texts."""
    return read_quality_context(tiny_model("llama"), TEXT, SECOND, CALIBRATION)


@pytest.fixture(scope="session")
def quality_rows(quality_bench: QualityContext, quality_home: Path) -> dict[str, QualityRow]:
    """A few rows of a tiny model, each measured once."""
    names = ("dense", "svd-0.5", "two_sided_svd-automatic-0.5", "rows-8", "rows-4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPRESS_LAB_HOME", str(quality_home))
        return {name: measure_row(quality_bench, ENTRIES[name]) for name in names}


def marked(row: QualityRow) -> QualityRow:
    """Return the same row, marked as measured on weights that were already quantized."""
    source = "package weights==1, 4-bit, de-quantized to float16"
    return replace(row, model=ModelRecord("tiny", "0", source, 1))
