"""Row of `bench quality`: results with the plan that reproduces them, as JSON."""

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
    """Results of both models on one text."""

    perplexity: PerplexityRecord
    agreement: AgreementRecord


@dataclass(frozen=True)
class Measured:
    """Results of a compressed model.

    Attributes:
        memory: Bytes of both models; shared tensors count once.
        file_bytes: Size of the saved weights file, including its header.
        text: Results on the plan's evaluation text.
        second: Results on the second text.
        estimate: The estimated (K-FAC) loss increase in nats per token.
        seconds: Seconds by step, and `total`; statistics shared by all rows are not included.
    """

    memory: MemoryRecord
    file_bytes: int
    text: OnText
    second: OnText
    estimate: float
    seconds: dict[str, float]


@dataclass(frozen=True)
class QualityRow(JsonRecord):
    """A plan for a whole model, with its results.

    Attributes:
        name: The name of the row and its file.
        label: The label in the table.
        key: Hash of everything that the results depend on.
        keep: The requested keep; None if the size follows from the method's options.
        four_bit: Whether weights are, or may be, quantized to 4 bits.
        plan: The plan of the run.
        model: The model.
        created: Time of the run.
        environment: Versions and machine.
        found: The results; None if the plan was refused.
        refused: The error message if the plan was refused.
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
    """Return the row in a file; None if there is none that this version can read."""
    try:
        return QualityRow.from_json(read_json(file))
    except CompressionError:
        return None


def load_rows(folder: Path = FOLDER) -> tuple[QualityRow, ...]:
    """Return the rows in a folder, sorted by name."""
    rows = (read_row(file) for file in sorted(folder.glob("*.json")))
    return tuple(row for row in rows if row is not None)
