"""Quality benchmark (`compress-lab bench quality`): all methods at equal bytes, on two texts.

`studies.quality.candidates` lists the compressed models. Each row is written to its own file as
soon as it is measured, so an interrupted benchmark resumes where it stopped.
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
    """Add the arguments that only this benchmark has."""
    texts = parser.add_argument_group("quality")
    add = texts.add_argument
    source = "CORPUS|FILE"
    add("--eval-text", metavar=source, default=EVALUATION.corpus, help="evaluation corpus or file")
    add("--second-text", metavar=source, default=SECOND_TEXT, help="second evaluation text")
    add(
        "--calibration-text",
        metavar=source,
        default=CALIBRATION.corpus,
        help="calibration corpus or file",
    )
    add("--tokens", metavar="N", default=EVALUATION.tokens, help="tokens per evaluation text")
    add("--context", metavar="N", default=EVALUATION.context, help="tokens per block")
    add(
        "--calibration-tokens",
        metavar="N",
        default=CALIBRATION.tokens,
        help="maximum calibration tokens",
    )
    add("--list", action="store_true", help="list the rows and their status")
    add("--markdown", action="store_true", help="write the table as Markdown")


def run(options: argparse.Namespace) -> None:
    """Measure the missing rows and show all selected ones."""
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
    """Return the names that contain one of the given words; all names if no word is given.

    Args:
        names: The names of rows or runs.
        only: Comma-separated words; a word that is a complete name selects only that name.

    Raises:
        CompressionError: A word is in no name.
    """
    names = list(names)
    words = [word.strip() for word in (only or "").split(",") if word.strip()]
    selected: set[str] = set()
    for word in words:
        matches = {word} & set(names) or {name for name in names if word in name}
        if not matches:
            raise unknown_name("name", word, names)
        selected |= matches
    return [name for name in names if not words or name in selected]


def _list(entries: Iterable[CandidateAtSize], folder: Path) -> None:
    rows = []
    for entry in entries:
        row = read_row(folder / f"{entry.name}.json")
        status = "" if row is None else "refused" if row.found is None else "measured"
        rows.append((entry.name, format_value(entry.keep), entry.candidate.label, status))
    write_table(("name", "keep", "method", "status"), rows)


def _measure(
    entries: list[CandidateAtSize], folder: Path, options: argparse.Namespace
) -> list[QualityRow]:
    """Return the rows; those on disk with the same key are not measured again."""
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
    """Return the two evaluation texts and the calibration text."""
    sizes = {"tokens": options.tokens, "context": options.context}
    return (
        TextSpec(corpus=options.eval_text, **sizes),
        TextSpec(corpus=options.second_text, **sizes),
        TextSpec(corpus=options.calibration_text, tokens=options.calibration_tokens),
    )


def _line(row: QualityRow) -> str:
    result = row.found
    if result is None:
        return f"refused: {row.refused}"
    return (
        f"perplexity {format_perplexity(result.text.perplexity.compressed)} (second text "
        f"{format_perplexity(result.second.perplexity.compressed)}), "
        f"{format_bytes(result.memory.compressed_bytes)}"
    )


def _show(record: StudyRecord, options: argparse.Namespace) -> None:
    """Write the table and its findings."""
    sentences = findings(record)
    if options.json:
        write_json({**record.to_json(), "findings": sentences})
    elif options.markdown:
        write_line("\n".join(f"- {sentence}" for sentence in sentences) + "\n")
        write_line(record.to_markdown().rstrip())
    else:
        write_line(f"Baseline perplexity {record.baseline:.2f} on {record.text}.")
        write_table(list(record.columns.values()), _cells(record))
        for sentence in sentences:
            write_line(sentence)


def _cells(record: StudyRecord) -> list[list[str]]:
    def cell(row: Mapping[str, object], name: str) -> str:
        value = row.get(name)
        return "" if value is None else format_value(value)  # type: ignore[arg-type]

    return [[cell(row, name) for name in record.columns] for row in record.rows]
