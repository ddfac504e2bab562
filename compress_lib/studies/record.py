"""What a study found: rows of numbers with their provenance, as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from compress_lib.errors import CompressionError
from compress_lib.results import ModelRecord

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "landmarks" / "studies"

Value = bool | int | float | str | None
Row = Mapping[str, Value]


@dataclass(frozen=True)
class StudyRecord:
    """The rows of a study.

    Attributes:
        name: The study's name.
        label: What people read.
        question: What it asks, in one sentence.
        columns: The columns in order, by name, with what people read above them.
        rows: One a cell that was measured.
        settings: The options that it ran with.
        model: Which weights.
        baseline: The uncompressed perplexity on the same text.
        text: What was measured on, in words.
        created: When the last row was measured.
        seconds: How long all rows took.
        environment: Versions and machine.
    """

    name: str
    label: str
    question: str
    columns: dict[str, str]
    rows: tuple[dict[str, Value], ...]
    settings: dict[str, Value]
    model: ModelRecord
    baseline: float
    text: str
    created: str
    seconds: float
    environment: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return _reader().dump_python(self, mode="json")  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: object) -> StudyRecord:
        """Read a record back.

        Raises:
            CompressionError: It is not a record of this version.
        """
        from pydantic import ValidationError

        try:
            return _reader().validate_python(data)  # type: ignore[no-any-return]
        except ValidationError as error:
            raise CompressionError(f"This is not a study: {error.errors()[0]['msg']}.") from error

    def to_csv(self) -> str:
        """Return the rows as CSV, every digit kept."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([row.get(name) for name in self.columns] for row in self.rows)
        return out.getvalue()

    def to_markdown(self) -> str:
        """Return the rows as a Markdown table, rounded for reading."""
        lines = [list(self.columns.values()), ["---"] * len(self.columns)]
        lines += [[rounded(row.get(name)) for name in self.columns] for row in self.rows]
        return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def rounded(value: Value) -> str:
    """Return a value as people read it."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value


@cache
def _reader() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(StudyRecord)
