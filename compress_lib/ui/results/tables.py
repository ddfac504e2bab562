"""CSV and JSON files of tables and records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from compress_lib.results.describe import to_frame
from compress_lib.results.records import RunRecord

if TYPE_CHECKING:
    import pandas as pd


def to_csv(records: Sequence[RunRecord]) -> str:
    """Return runs as CSV, one row per run."""
    return frame_csv(to_frame(records))


def frame_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV; cells that a spreadsheet would run as formulas are quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow([_harmless(cell) for cell in row])
    return out.getvalue()


def download(name: str, kind: str, content: str) -> str:
    """Return a file as JSON for `browser.SAVE_FILE`.

    Args:
        name: File name.
        kind: MIME type.
        content: Text of the file.
    """
    return json.dumps({"name": name, "type": kind, "content": content})


def to_json(record: RunRecord) -> str:
    """Return a run as indented JSON."""
    return json.dumps(record.to_json(), indent=2, ensure_ascii=False)


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + cell
    return cell
