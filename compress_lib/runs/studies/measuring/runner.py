"""Measure a study cell by cell; what was measured before stays."""

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
"""Part of every row's key: raised when the same cell would give other numbers."""


@dataclass
class _Log:
    """The rows measured so far, one line of JSON each."""

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
    """Measure the cells that are missing, and yield the record after each.

    Args:
        study: What to measure.
        model: On which model.
        folder: Where rows are kept; a study that was stopped goes on from there.
        evaluation: The text to measure on; the study's own choice if None.
        calibration: The text to choose by; the default one if None.
        report: Told about cells; may raise `StoppedError`.

    Raises:
        CompressionError: A text cannot be used, or the disk is full.
    """
    chosen = calibration or (TextSpec(tokens=32_768) if study.needs_calibration else None)
    bench = read_study_context(model, evaluation or _fitting(study.evaluation, model), chosen)
    report(Event(0.0, "Measuring the uncompressed model"))
    log = _Log(folder / f"{study.name}.jsonl")
    log.read()
    cells = {_key(study, bench, cell): cell for cell in study.cells(bench)}
    missing = {id(cell): key for key, cell in cells.items() if key not in log.rows}
    left = [cell for cell in cells.values() if id(cell) in missing]
    yield _record(study, bench, cells, log)
    started = time.perf_counter()

    def report_cell(event: Event) -> None:
        done = len(cells) - len(missing) + event.fraction
        report(Event(done / len(cells), event.message))

    for cell, row in study.measure(bench, left, report_cell):
        seconds = time.perf_counter() - started
        log.add(missing.pop(id(cell)), {**cell.known, **row}, round(seconds, 2))
        started = time.perf_counter()
        report_cell(Event(0.0, cell.key))
        yield _record(study, bench, cells, log)


def _fitting(spec: TextSpec, model: LanguageModel) -> TextSpec:
    """Shorten a study's own choice of context to what the model can read."""
    return replace(spec, context=min(spec.context, model.max_context or spec.context))


def write_study(record: StudyRecord, folder: Path, figure: str | None = None) -> list[Path]:
    """Write a study as JSON, CSV and Markdown, and its figure as a page.

    Raises:
        CompressionError: The disk is full, or the place cannot be written.
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


def _key(study: Study, bench: StudyContext, cell: StudyCell) -> str:
    """Name everything that a row depends on, so that nothing else is taken for it."""
    model = bench.model
    parts = (SCHEMA, model.device.type, model.id, model.source, model.revision)
    whole = "|".join(map(str, (*parts, bench.digest, study.settings, cell.key)))
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _record(
    study: Study, bench: StudyContext, cells: dict[str, StudyCell], log: _Log
) -> StudyRecord:
    entries = [log.rows[key] for key in cells if key in log.rows]
    model = bench.model
    return StudyRecord(
        name=study.name,
        label=study.label,
        question=study.question,
        columns=dict(study.columns),
        rows=tuple(entry["row"] for entry in entries),  # type: ignore[misc]
        settings=study.settings,
        model=ModelRecord(model.id, model.revision, model.source, model.parameters),
        baseline=bench.baseline,
        text=bench.text,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=sum(float(str(entry["seconds"])) for entry in entries),
        environment=describe_environment(model),
    )
