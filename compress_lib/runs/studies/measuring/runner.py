"""Study runner: measure missing cells one by one and append their rows to a log."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from compress_lib.data.text_spec import TextSpec
from compress_lib.models.loading import LanguageModel
from compress_lib.results.records import ModelRecord
from compress_lib.runs.record_builder import describe_environment
from compress_lib.runs.studies.base import Study, StudyCell
from compress_lib.runs.studies.context import StudyContext, read_study_context
from compress_lib.runs.studies.findings import findings
from compress_lib.runs.studies.record import Row, StudyRecord
from compress_lib.utils.files import atomic_write, disk_errors
from compress_lib.utils.progress import Event, Report, ignore

SCHEMA = 1
"""Part of every row's key; incremented when the same cell gives different results."""


@dataclass
class _Log:
    """JSON Lines log of the rows measured so far.

    Attributes:
        path: The file.
        rows: Row and seconds by key.
        torn: Whether the last line was cut short by a stop.
    """

    path: Path
    rows: dict[str, dict[str, object]] = field(default_factory=dict)
    torn: bool = False

    def read(self) -> None:
        if not self.path.exists():
            return
        with disk_errors(self.path):
            text = self.path.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self.rows[entry["key"]] = {name: entry[name] for name in ("row", "seconds")}
            except (json.JSONDecodeError, KeyError, TypeError):
                # A line cut short by a stop is measured again.
                continue
        self.torn = bool(text) and not text.endswith("\n")

    def add(self, key: str, row: Row, seconds: float) -> None:
        entry = {"key": key, "row": dict(row), "seconds": seconds}
        self.rows[key] = entry
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                start = "\n" if self.torn else ""
                file.write(start + json.dumps(entry, ensure_ascii=False) + "\n")
        self.torn = False


def run_study(
    study: Study,
    model: LanguageModel,
    folder: Path,
    *,
    evaluation: TextSpec | None = None,
    calibration: TextSpec | None = None,
    report: Report = ignore,
) -> Iterator[StudyRecord]:
    """Measure the missing cells of a study.

    Args:
        study: The study.
        model: The baseline.
        folder: The folder of the row log, from which a stopped study resumes.
        evaluation: The evaluation text; the study's default if None.
        calibration: The calibration text; the default if None.
        report: Receives progress events; may raise `StoppedError`.

    Yields:
        The record with all rows so far, at the start and after every cell.

    Raises:
        CompressionError: A text cannot be used, or the disk is full.
    """
    chosen = calibration or (TextSpec(tokens=32_768) if study.needs_calibration else None)
    context = read_study_context(model, evaluation or _fitting(study.evaluation, model), chosen)
    report(Event(0.0, "Measuring the uncompressed model"))
    log = _Log(folder / f"{study.name}.jsonl")
    log.read()
    cells = {_key(study, context, cell): cell for cell in study.cells(context)}
    missing = {id(cell): key for key, cell in cells.items() if key not in log.rows}
    pending = [cell for cell in cells.values() if id(cell) in missing]
    yield _record(study, context, cells, log)
    started = time.perf_counter()

    def report_cell(event: Event) -> None:
        done = len(cells) - len(missing) + event.fraction
        report(Event(done / len(cells), event.message))

    for cell, row in study.measure(context, pending, report_cell):
        seconds = time.perf_counter() - started
        log.add(missing.pop(id(cell)), {**cell.known, **row}, round(seconds, 2))
        started = time.perf_counter()
        report_cell(Event(0.0, cell.key))
        yield _record(study, context, cells, log)


def _fitting(spec: TextSpec, model: LanguageModel) -> TextSpec:
    """Limit the context of a study's evaluation text to that of the model."""
    return replace(spec, context=min(spec.context, model.max_context or spec.context))


def write_study(record: StudyRecord, folder: Path, figure: str | None = None) -> list[Path]:
    """Write a study as JSON, CSV and Markdown, and its figure as an HTML page.

    Args:
        record: The study record.
        folder: The output folder.
        figure: The HTML page; not written if None.

    Returns:
        The paths of the files.

    Raises:
        CompressionError: The disk is full, or the folder cannot be written.
    """
    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False) + "\n"
    heading = (
        f"# {record.label}\n\n{record.question}\n\n{record.model.id}, {record.model.source}. "
        f"Baseline perplexity {record.baseline:.2f} on {record.text}.\n\n"
    )
    heading += "".join(f"- {sentence}\n" for sentence in findings(record)) + "\n"
    files = {".json": text, ".csv": record.to_csv(), ".md": heading + record.to_markdown()}
    if figure is not None:
        files[".html"] = figure
    for ending, content in files.items():
        atomic_write(folder / f"{record.name}{ending}", content)
    return [folder / f"{record.name}{ending}" for ending in files]


def _key(study: Study, context: StudyContext, cell: StudyCell) -> str:
    """Return the hash of everything that a row depends on."""
    model = context.model
    parts = (SCHEMA, model.device.type, model.id, model.source, model.revision)
    whole = "|".join(map(str, (*parts, context.digest, study.settings, cell.key)))
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _record(
    study: Study, context: StudyContext, cells: dict[str, StudyCell], log: _Log
) -> StudyRecord:
    entries = [log.rows[key] for key in cells if key in log.rows]
    model = context.model
    return StudyRecord(
        name=study.name,
        label=study.label,
        question=study.question,
        columns=dict(study.columns),
        rows=tuple(entry["row"] for entry in entries),  # type: ignore[misc]
        settings=study.settings,
        model=ModelRecord(model.id, model.revision, model.source, model.parameters),
        baseline=context.baseline,
        text=context.text,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=sum(float(str(entry["seconds"])) for entry in entries),
        environment=describe_environment(model),
    )
