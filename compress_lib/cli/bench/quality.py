"""`compress-lab bench quality`: whole models at the same bytes by every method, on two texts.

What is compared stands in `studies.quality.candidates`. Every row is a file of its own, written
as soon as it is measured, so that what is stopped goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from compress_lib.cli.output import ProgressLine, write_json, write_line, write_table
from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError, unknown_name
from compress_lib.plan.plan import Plan
from compress_lib.runs.studies.findings import findings
from compress_lib.runs.studies.quality.candidates import CandidateAtSize, quality_entries
from compress_lib.runs.studies.quality.rows import QualityRow, read_row
from compress_lib.runs.studies.quality.table import NAME, quality_study
from compress_lib.runs.studies.record import StudyRecord, format_value
from compress_lib.utils.files import atomic_write, write_json_file
from compress_lib.utils.formatting import format_bytes, format_perplexity
from compress_lib.utils.progress import subrange

EVALUATION, CALIBRATION = Plan().evaluation, Plan().calibration
SECOND_TEXT = "python-docs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that other benchmarks have not."""
    texts = parser.add_argument_group("quality")
    add = texts.add_argument
    add("--eval-text", metavar="CORPUS|FILE", default=EVALUATION.corpus, help="measured on")
    add("--second-text", metavar="CORPUS|FILE", default=SECOND_TEXT, help="measured on as well")
    add("--calibration-text", metavar="CORPUS|FILE", default=CALIBRATION.corpus, help="chosen by")
    add("--tokens", metavar="N", default=EVALUATION.tokens, help="of each text")
    add("--context", metavar="N", default=EVALUATION.context, help="tokens in a block")
    add("--calibration-tokens", metavar="N", default=CALIBRATION.tokens, help="at most")
    add("--list", action="store_true", help="name the rows, and say which are there")
    add("--markdown", action="store_true", help="write the table as Markdown")


def run(options: argparse.Namespace) -> None:
    """Measure the rows that are missing, and show all that were asked for."""
    entries = quality_entries()
    chosen = [entries[name] for name in filter_names(entries, options.only)]
    folder = Path(options.out or NAME)
    if folder.is_file():
        raise CompressionError(f"--out {folder} is a file; name a folder.")
    if options.list:
        _list(chosen, folder)
        return
    rows = _measure(chosen, folder, options)
    record = quality_study(rows)
    if record is None:
        for row in rows:
            write_line(f"{row.name}: refused: {row.refused}")
        return
    from compress_lib.reporting.plots.studies import study_page

    atomic_write(folder / f"{NAME}.html", study_page(record))
    _show(record, options)


def filter_names(names: Iterable[str], only: str | None) -> list[str]:
    """Return the names that contain one of some words, all of them if there are none.

    Args:
        names: Of rows or runs.
        only: Words with commas between them; one that is a name stands for nothing else.

    Raises:
        CompressionError: A word is in no name.
    """
    known = list(names)
    words = [word.strip() for word in (only or "").split(",") if word.strip()]
    chosen: set[str] = set()
    for word in words:
        found = {word} & set(known) or {name for name in known if word in name}
        if not found:
            raise unknown_name("name", word, known)
        chosen |= found
    return [name for name in known if not words or name in chosen]


def _list(entries: Iterable[CandidateAtSize], folder: Path) -> None:
    rows = []
    for entry in entries:
        row = read_row(folder / f"{entry.name}.json")
        state = "" if row is None else "refused" if row.found is None else "measured"
        rows.append((entry.name, format_value(entry.keep), entry.candidate.label, state))
    write_table(("name", "keep", "method", "here"), rows)


def _measure(
    entries: list[CandidateAtSize], folder: Path, options: argparse.Namespace
) -> list[QualityRow]:
    """Return the rows, those from disk that answer the same question."""
    from compress_lib.models.loading import load_model
    from compress_lib.runs.studies.measuring.quality import measure_row, read_quality_context

    evaluation, second, calibration = _texts(options)
    report = ProgressLine()
    model = load_model(options.model, device=options.device, report=report)
    bench = read_quality_context(model, evaluation, second, calibration)
    rows = []
    for index, entry in enumerate(entries):
        file = folder / f"{entry.name}.json"
        row = read_row(file)
        if options.fresh or row is None or row.key != bench.key(entry):
            begin, end = index / len(entries), (index + 1) / len(entries)
            report.line(begin, f"{entry.name}: {entry.candidate.label}")
            row = measure_row(bench, entry, subrange(report, begin, end))
            write_json_file(file, row.to_json())
            report.line(end, f"{entry.name}: {_line(row)}")
        label, four_bit = entry.candidate.label, entry.candidate.four_bit
        if (row.label, row.four_bit) != (label, four_bit):
            row = replace(row, label=label, four_bit=four_bit)
            write_json_file(file, row.to_json())
        rows.append(row)
    return rows


def _texts(options: argparse.Namespace) -> tuple[TextSpec, TextSpec, TextSpec]:
    """Return the texts to measure on and the one to choose by."""
    sizes = {"tokens": options.tokens, "context": options.context}
    return (
        TextSpec(corpus=options.eval_text, **sizes),
        TextSpec(corpus=options.second_text, **sizes),
        TextSpec(corpus=options.calibration_text, tokens=options.calibration_tokens),
    )


def _line(row: QualityRow) -> str:
    found = row.found
    if found is None:
        return f"refused: {row.refused}"
    return (
        f"perplexity {format_perplexity(found.text.perplexity.compressed)}, on the second text "
        f"{format_perplexity(found.second.perplexity.compressed)}, "
        f"{format_bytes(found.memory.compressed_bytes)}"
    )


def _show(record: StudyRecord, options: argparse.Namespace) -> None:
    """Write the table and what it says."""
    said = findings(record)
    if options.json:
        write_json({**record.to_json(), "findings": said})
    elif options.markdown:
        write_line("\n".join(f"- {sentence}" for sentence in said) + "\n")
        write_line(record.to_markdown().rstrip())
    else:
        write_line(f"Baseline perplexity {record.baseline:.2f} on {record.text}.")
        write_table(list(record.columns.values()), _cells(record))
        for sentence in said:
            write_line(sentence)


def _cells(record: StudyRecord) -> list[list[str]]:
    def cell(value: Mapping[str, object], name: str) -> str:
        found = value.get(name)
        return "" if found is None else format_value(found)  # type: ignore[arg-type]

    return [[cell(row, name) for name in record.columns] for row in record.rows]
