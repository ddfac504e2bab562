"""Study commands: `compress-lab study NAME` and `compress-lab reproduce p1 | p2`."""

from __future__ import annotations

import argparse
from pathlib import Path

from compress_lib.cli.arguments import add_pairs, add_texts, drop_unset, read_evaluation, read_pairs
from compress_lib.cli.output import ProgressLine, write_json, write_line
from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError, unknown_name
from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.utils.formatting import format_seconds

PAPERS = ("p1", "p2")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from compress_lib.runs.studies import STUDIES

    add = parser.add_argument
    add("study", metavar="NAME", help=" or ".join(STUDIES))
    add("model", nargs="?", default=DEFAULT_MODEL, help="catalogue name, Hub ID or folder")
    add("--quick", action="store_true", help="p1 and p2: fewer epochs and sizes (under 10 minutes)")
    add_pairs(parser, "study option (repeatable)")
    add("--seeds", metavar="N", help="repetitions with different random seeds")
    add_texts(parser)
    add("--device", default="auto", metavar="D", help="auto, cpu, cuda or mps")
    add("--out", metavar="FOLDER", help="output folder, resumed if it has rows (default: studies)")
    add("--json", action="store_true", help="write the record to stdout")


def run(options: argparse.Namespace) -> None:
    """Run or resume a study and write its tables and figure."""
    from compress_lib.runs.studies import build_study

    if options.command == "reproduce" and options.study not in PAPERS:
        raise unknown_name("paper", options.study, PAPERS)
    study = build_study(options.study, _options(options))
    folder = Path(options.out or "studies")
    if folder.is_file():
        raise CompressionError(f"--out {folder} is a file; name a folder.")
    from compress_lib.models.loading import load_model
    from compress_lib.reporting.plots.studies import study_page
    from compress_lib.runs.studies.measuring.runner import run_study, write_study

    texts = read_evaluation(options)
    evaluation = TextSpec(**{**_text_fields(study.evaluation), **texts}) if texts else None
    calibration = None
    if options.calibration_text:
        calibration = TextSpec(corpus=options.calibration_text, tokens=32_768)
    report = ProgressLine()
    model = load_model(options.model, device=options.device, report=report)
    record = None
    for record in run_study(
        study, model, folder, evaluation=evaluation, calibration=calibration, report=report
    ):
        # Write the table after each row, so that an interrupted study leaves a complete one.
        write_study(record, folder)
    assert record is not None
    written = write_study(record, folder, study_page(record))
    if options.json:
        write_json(record.to_json())
        return
    write_line(record.to_markdown().rstrip())
    write_line(f"{len(record.rows)} rows, measured in {format_seconds(record.seconds)}; files:")
    for file in written:
        write_line(f"  {file}")


def _options(options: argparse.Namespace) -> dict[str, object]:
    pairs: dict[str, object] = dict(read_pairs(options.option))
    if options.quick:
        pairs["quick"] = True
    return pairs | drop_unset(seeds=options.seeds)


def _text_fields(spec: TextSpec) -> dict[str, object]:
    return {"corpus": spec.corpus, "tokens": spec.tokens, "context": spec.context}
