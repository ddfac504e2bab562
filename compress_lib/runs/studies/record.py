"""What a study found: rows of numbers with their provenance, as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from compress_lib.results.records import ModelRecord
from compress_lib.utils.formatting import format_number
from compress_lib.utils.json_record import JsonRecord
from compress_lib.utils.paths import ASSETS

FOLDER = ASSETS / "landmarks" / "studies"

Value = bool | int | float | str | None
Row = Mapping[str, Value]


@dataclass(frozen=True)
class StudyRecord(JsonRecord):
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

    called: ClassVar[str] = "a study"

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
        lines += [[format_value(row.get(name)) for name in self.columns] for row in self.rows]
        return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def format_value(value: Value) -> str:
    """Return a value as people read it."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format_number(value)
    return f"{value:,}" if isinstance(value, int) else value
