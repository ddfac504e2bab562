"""`compress-lab run MODEL …`: compress, measure, and write the record."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compress_lib.cli.arguments import add_pairs, add_texts
from compress_lib.cli.commands.plan_options import MANUAL, read_plan
from compress_lib.cli.commands.summary import write_summary
from compress_lib.cli.output import ProgressLine, write_json, write_line
from compress_lib.data.text_spec import QUICK_TOKENS
from compress_lib.errors import CompressionError, check_integer
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import ALLOCATIONS, GROUPINGS, INPUTS, ORIENTATIONS
from compress_lib.results.confidence import seed_statistics
from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("model", nargs="?", help="a catalogue name, a Hub id, a folder or a .gguf file")
    add("--plan", metavar="FILE", help="a plan as JSON, or a record of an earlier run")
    add("--revision", help="a commit or tag of the Hub")
    add("--method", help="how; see the table in the README")
    add("--keep", metavar="F", help="bytes after ÷ bytes before; int8 and such need none")
    add("--include", action="append", metavar="PATTERN", help="what; everything if left out")
    add("--exclude", action="append", metavar="PATTERN", help="what stays as it is")
    add("--preset", metavar="NAME", help="named options of the method, such as P1 or P2")
    add("--group", choices=GROUPINGS, help="concatenated: a family's matrices share a basis")
    add("--window", metavar="N", help="layers in a concatenated group; 0 takes all")
    add("--orientation", choices=ORIENTATIONS, help="whether rows or columns are the data")
    add("--tie", metavar="ENDS", help="both, or input: a tied output keeps its own matrix")
    add("--inputs", choices=INPUTS, help="compressed: layer by layer, for the original outputs")
    add("--allocation", choices=(*ALLOCATIONS, MANUAL), help="who gets how much of what is kept")
    add("--keep-of", action="append", metavar="PATTERN=F", help="another keep for some of it")
    add_pairs(parser, "an option of the method")
    add_texts(parser)
    add("--calibration-tokens", metavar="N", help="tokens to choose by, at most")
    add(
        "--quick",
        dest="calibration_tokens",
        action="store_const",
        const=QUICK_TOKENS,
        help=f"choose by {QUICK_TOKENS:,} tokens",
    )
    add("--protocol", metavar="NAME", help="automatic, causal, whole_word or pseudo")
    add("--prompt", action="append", metavar="TEXT", help="what both continue, or fill in at ___")
    add("--new-tokens", metavar="N", help="how far they continue it")
    add("--temperature", metavar="F", help="0 takes the likeliest token, above draws")
    add("--tasks", metavar="NAME[,NAME]", help="tasks of lm_eval to measure too, zero-shot")
    add("--task-limit", metavar="N", help="items of each task, at most")
    add("--seed", metavar="N", help="for everything random")
    add(
        "--seeds",
        metavar="N",
        help="so many runs with seeds that follow, and their spread",
    )
    add("--device", default="auto", metavar="D", help="auto, cpu, cuda or mps")
    add("--out", metavar="FILE", help="where the record goes, as JSON")
    add("--save", metavar="FOLDER", help="where the compressed checkpoint goes")
    add("--fresh", action="store_true", help="run even if this plan was run before")
    add("--json", action="store_true", help="write the record to stdout")


def run(options: argparse.Namespace) -> None:
    """Run a plan from the options."""
    plan = read_plan(options)
    tasks, limit = read_tasks(options.tasks, options.task_limit)
    seeds = check_integer("--seeds", options.seeds or 1, minimum=1, maximum=100)
    _check_seeds(plan, seeds, options)
    _check_places(options)
    from compress_lib.utils.files import atomic_write

    report = ProgressLine()
    records = [
        _run_one(replace(plan, seed=plan.seed + index), options, tasks, limit, report)
        for index in range(seeds)
    ]
    data = [record.to_json() for record in records]
    whole: Any = data[0] if seeds == 1 else {"runs": data, "spread": _spread(records)}
    if options.out:
        text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
        atomic_write(Path(options.out), text)
        report.line(1.0, f"Wrote the record to {options.out}")
    if options.json:
        write_json(whole)
        return
    write_summary(records[-1])
    for name, found in _spread(records).items():
        write_line(
            f"{METRICS[name].label}: {found['mean']:,.5g} ± {found['deviation']:,.3g} "
            f"(standard deviation over {seeds} seeds)"
        )


def _check_seeds(plan: Plan, seeds: int, options: argparse.Namespace) -> None:
    """Find out now what would go wrong after the first of several runs."""
    if seeds == 1:
        return
    if options.save:
        raise CompressionError("--save keeps one model; leave --seeds out, or save one --seed.")
    if any("seed" in rule.options for rule in plan.rules):
        raise CompressionError("--seeds varies the seed, which --option seed= holds fixed.")
    replace(plan, seed=plan.seed + seeds - 1)


def _spread(records: Sequence[RunRecord]) -> dict[str, dict[str, float]]:
    return {name: vars(found) for name, found in seed_statistics(records).items()}


def _run_one(
    plan: Plan,
    options: argparse.Namespace,
    tasks: tuple[str, ...],
    limit: int | None,
    report: ProgressLine,
) -> RunRecord:
    from compress_lib.models.checkpoint import save_compressed
    from compress_lib.reporting.exports.card import card_files
    from compress_lib.results.store import Store
    from compress_lib.runs.execute import execute

    # A stored record has no model to save, so --save runs again.
    store = None if options.fresh or options.save else Store()
    run = execute(plan, report, device=options.device, store=store, tasks=tasks, task_limit=limit)
    if options.save and run.compressed is not None:
        folder = save_compressed(run.compressed, options.save, files=card_files(run.record))
        report.line(1.0, f"Saved the compressed model in {folder}")
    return run.record


def read_tasks(names: str | None, limit: str | None) -> tuple[tuple[str, ...], int | None]:
    """Return the names of tasks, each once, and how many items of each to take.

    Raises:
        CompressionError: There is no name, or the limit is not a whole number above 0.
    """
    if names is None:
        if limit is not None:
            raise CompressionError("--task-limit needs --tasks beside it.")
        return (), None
    found = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not found:
        raise CompressionError("--tasks names no task; for example: --tasks lab_sense,lab_grammar.")
    return found, None if limit is None else check_integer("--task-limit", limit, minimum=1)


def _check_places(options: argparse.Namespace) -> None:
    """Find out now, not after minutes of work, that a result could not be written."""
    if options.out and (Path(options.out).is_dir() or not Path(options.out).parent.is_dir()):
        raise CompressionError(f"--out {options.out} is not a file in a folder that exists.")
    if options.save:
        folder = Path(options.save)
        if folder.is_file():
            raise CompressionError(f"--save {folder} is a file; name a folder.")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "config.json").exists():
            raise CompressionError(
                f"--save {folder} holds other things than a checkpoint; name a new folder."
            )
