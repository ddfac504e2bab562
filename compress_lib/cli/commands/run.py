"""Compression run (`compress-lab run MODEL …`): compress, evaluate and write the record."""

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
    """Add the arguments of the command."""
    add = parser.add_argument
    add("model", nargs="?", help="catalogue name, Hub ID, folder or .gguf file")
    add("--plan", metavar="FILE", help="plan as JSON, or the record of an earlier run")
    add("--revision", help="Hub commit or tag")
    add("--method", help="compression method, e.g. svd")
    add(
        "--keep",
        metavar="F",
        help="size kept: compressed ÷ original bytes; not needed by int8, int4 …",
    )
    add("--include", action="append", metavar="PATTERN", help="weights to compress (default: all)")
    add("--exclude", action="append", metavar="PATTERN", help="weights to leave dense")
    add("--preset", metavar="NAME", help="named options of the method, e.g. P1 or P2")
    add("--group", choices=GROUPINGS, help="concatenated: matrices of a module type share a basis")
    add("--window", metavar="N", help="layers per concatenated group; 0 = all")
    add("--orientation", choices=ORIENTATIONS, help="treat rows or columns as the data")
    add("--tie", metavar="ENDS", help="tied embeddings: both, or input (the LM head stays dense)")
    add(
        "--inputs",
        choices=INPUTS,
        help="calibration activations: from the original model, or from the compressed one "
        "(sequential, block by block, fitted to the original outputs)",
    )
    add("--allocation", choices=(*ALLOCATIONS, MANUAL), help="how bytes are allocated")
    add("--keep-of", action="append", metavar="PATTERN=F", help="size kept of matching weights")
    add_pairs(parser, "method option (repeatable)")
    add_texts(parser)
    add("--calibration-tokens", metavar="N", help="maximum calibration tokens")
    add(
        "--quick",
        dest="calibration_tokens",
        action="store_const",
        const=QUICK_TOKENS,
        help=f"use {QUICK_TOKENS:,} calibration tokens",
    )
    add("--protocol", metavar="NAME", help="perplexity: automatic, causal, whole_word or pseudo")
    add("--prompt", action="append", metavar="TEXT", help="text to continue, or to fill in at ___")
    add("--new-tokens", metavar="N", help="tokens to generate per prompt")
    add("--temperature", metavar="F", help="sampling temperature; 0 = greedy")
    add("--tasks", metavar="NAME[,NAME]", help="lm_eval tasks to run, zero-shot")
    add("--task-limit", metavar="N", help="maximum items per task")
    add("--seed", metavar="N", help="random seed")
    add("--seeds", metavar="N", help="repeat with N consecutive seeds; report mean ± std")
    add("--device", default="auto", metavar="D", help="auto, cpu, cuda or mps")
    add("--out", metavar="FILE", help="write the record as JSON to FILE")
    add("--save", metavar="FOLDER", help="write the compressed checkpoint to FOLDER")
    add("--fresh", action="store_true", help="run again even if the result is stored")
    add("--json", action="store_true", help="write the record to stdout")


def run(options: argparse.Namespace) -> None:
    """Run the plan that the arguments describe."""
    plan = read_plan(options)
    tasks, limit = read_tasks(options.tasks, options.task_limit)
    seeds = check_integer("--seeds", options.seeds or 1, minimum=1, maximum=100)
    _check_seeds(plan, seeds, options)
    _check_outputs(options)
    from compress_lib.utils.files import atomic_write

    report = ProgressLine()
    records = [
        _run_one(replace(plan, seed=plan.seed + index), options, tasks, limit, report)
        for index in range(seeds)
    ]
    data = [record.to_json() for record in records]
    output: Any = data[0] if seeds == 1 else {"runs": data, "spread": _spread(records)}
    if options.out:
        text = json.dumps(output, indent=2, ensure_ascii=False) + "\n"
        atomic_write(Path(options.out), text)
        report.line(1.0, f"Saved the record to {options.out}")
    if options.json:
        write_json(output)
        return
    write_summary(records[-1])
    for name, spread in _spread(records).items():
        write_line(
            f"{METRICS[name].label}: {spread['mean']:,.5g} ± {spread['deviation']:,.3g} "
            f"(standard deviation over {seeds} seeds)"
        )


def _check_seeds(plan: Plan, seeds: int, options: argparse.Namespace) -> None:
    """Reject arguments that would fail after the first of several runs."""
    if seeds == 1:
        return
    if options.save:
        raise CompressionError("--save stores one model: omit --seeds, or run a single --seed.")
    if any("seed" in rule.options for rule in plan.rules):
        raise CompressionError("--seeds varies the seed, but --option seed= fixes it.")
    replace(plan, seed=plan.seed + seeds - 1)


def _spread(records: Sequence[RunRecord]) -> dict[str, dict[str, float]]:
    return {name: vars(statistics) for name, statistics in seed_statistics(records).items()}


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

    # The store has no weights, so --save must run again.
    store = None if options.fresh or options.save else Store()
    run = execute(plan, report, device=options.device, store=store, tasks=tasks, task_limit=limit)
    if options.save and run.compressed is not None:
        folder = save_compressed(run.compressed, options.save, files=card_files(run.record))
        report.line(1.0, f"Saved the compressed model to {folder}")
    return run.record


def read_tasks(names: str | None, limit: str | None) -> tuple[tuple[str, ...], int | None]:
    """Return the task names without duplicates, and the maximum number of items per task.

    Args:
        names: Comma-separated names, or None.
        limit: The maximum number of items, or None for all.

    Raises:
        CompressionError: `names` has no name, the limit is not a whole number above 0, or there is
            a limit without tasks.
    """
    if names is None:
        if limit is not None:
            raise CompressionError("--task-limit needs --tasks.")
        return (), None
    tasks = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not tasks:
        raise CompressionError("--tasks names no task; for example: --tasks lab_sense,lab_grammar.")
    return tasks, None if limit is None else check_integer("--task-limit", limit, minimum=1)


def _check_outputs(options: argparse.Namespace) -> None:
    """Reject output paths that cannot be written, before minutes of work."""
    if options.out and (Path(options.out).is_dir() or not Path(options.out).parent.is_dir()):
        raise CompressionError(f"--out {options.out} must be a file in an existing folder.")
    if options.save:
        folder = Path(options.save)
        if folder.is_file():
            raise CompressionError(f"--save {folder} is a file; name a folder.")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "config.json").exists():
            raise CompressionError(
                f"--save {folder} contains files but no checkpoint; name a new folder."
            )
