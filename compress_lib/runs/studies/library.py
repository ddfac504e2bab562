"""Bundled studies of the default model."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from compress_lib.runs.studies.quality.table import load_quality
from compress_lib.runs.studies.record import FOLDER, StudyRecord


@cache
def load_studies(folder: Path = FOLDER) -> dict[str, StudyRecord]:
    """Return the bundled studies by name, including the table of `bench quality`."""
    records = [
        StudyRecord.from_json(json.loads(file.read_text(encoding="utf-8")))
        for file in sorted(folder.glob("*.json"))
    ]
    # The papers' grids come first.
    records.sort(key=lambda record: "times_smaller" not in record.columns)
    quality = load_quality(folder.parent / "quality")
    if quality is not None:
        records.append(quality)
    return {record.name: record for record in records}
