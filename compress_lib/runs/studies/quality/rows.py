"""One row of `bench quality`: numbers with the plan that repeats them, as JSON. Knows no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from compress_lib.errors import CompressionError
from compress_lib.plan.plan import Plan
from compress_lib.results.records import (
    AgreementRecord,
    MemoryRecord,
    ModelRecord,
    PerplexityRecord,
)
from compress_lib.utils.files import read_json
from compress_lib.utils.json_record import JsonRecord
from compress_lib.utils.paths import ASSETS

FOLDER = ASSETS / "landmarks" / "quality"


@dataclass(frozen=True)
class OnText:
    """Both models on one text."""

    perplexity: PerplexityRecord
    agreement: AgreementRecord


@dataclass(frozen=True)
class Measured:
    """What was found of a compressed model.

    Attributes:
        memory: Bytes of both models, shared tensors once.
        file_bytes: Of the saved file of weights, its header included.
        text: The plan's text.
        second: Another text.
        estimate: The growth of the loss that the curvature leads to expect, in nats a token.
        seconds: By step, and `total`; statistics that all rows need are gathered before.
    """

    memory: MemoryRecord
    file_bytes: int
    text: OnText
    second: OnText
    estimate: float
    seconds: dict[str, float]


@dataclass(frozen=True)
class QualityRow(JsonRecord):
    """One plan for a whole model, and what came out.

    Attributes:
        name: Of the row and its file.
        label: What people read.
        key: Names everything that the numbers depend on.
        keep: What was asked for; None where the size follows from options.
        four_bit: Whether weights were rounded to 4 bits, or may have been.
        plan: The run.
        model: Which weights.
        created: When.
        environment: Versions and machine.
        found: The numbers, unless it was refused.
        refused: Why there are none.
    """

    called: ClassVar[str] = "a row"

    name: str
    label: str
    key: str
    keep: float | None
    four_bit: bool
    plan: Plan
    model: ModelRecord
    created: str
    environment: dict[str, str]
    found: Measured | None = None
    refused: str | None = None


def read_row(file: Path) -> QualityRow | None:
    """Return the row that a file holds; None where there is none, or none of this version."""
    try:
        return QualityRow.from_json(read_json(file))
    except CompressionError:
        return None


def load_rows(folder: Path = FOLDER) -> tuple[QualityRow, ...]:
    """Read the rows of a folder, by name."""
    found = (read_row(file) for file in sorted(folder.glob("*.json")))
    return tuple(row for row in found if row is not None)
