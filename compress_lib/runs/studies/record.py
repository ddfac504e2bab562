"""Study record: rows of results with their provenance, as JSON, CSV and Markdown."""

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
    """The results of a study.

    Attributes:
        name: The study's name.
        label: Its title on the page.
        question: Its question, in one sentence.
        columns: Headings by column name, in order.
        rows: One row per measured cell.
        settings: Values of the options.
        model: The model.
        baseline: Perplexity of the uncompressed model on the same text.
        text: Description of the evaluation text.
        created: Time of the last measurement.
        seconds: Total time of all rows.
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
        """Return the rows as CSV in full precision."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([row.get(name) for name in self.columns] for row in self.rows)
        return out.getvalue()

    def to_markdown(self) -> str:
        """Return the rows as a Markdown table with rounded numbers."""
        lines = [list(self.columns.values()), ["---"] * len(self.columns)]
        lines += [[format_value(row.get(name)) for name in self.columns] for row in self.rows]
        return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def format_value(value: Value) -> str:
    """Return a value as it is displayed in a table."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format_number(value)
    return f"{value:,}" if isinstance(value, int) else value
