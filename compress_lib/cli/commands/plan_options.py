"""Plan parser: turns the arguments of `compress-lab run` into a plan."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from compress_lib.cli.arguments import drop_unset, read_evaluation, read_pairs
from compress_lib.errors import CompressionError
from compress_lib.methods import OptionValue, is_sized, preset_options
from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import DENSE, UNIFORM, Rule

RULE_OPTIONS = ("group", "window", "orientation", "tie", "allocation", "inputs")
"""Arguments with the same name as a field of `Rule`."""

MANUAL = "manual"
"""Allocation by `--keep-of`: stored as `uniform`, with a size for each pattern."""


def read_plan(options: argparse.Namespace) -> Plan:
    """Return the plan of a plan file or the default plan, modified by the other arguments.

    Raises:
        CompressionError: An argument is missing, unknown or out of range.
    """
    plan = _from_file(options.plan) if options.plan else Plan()
    if options.model:
        plan = replace(plan, model=options.model, revision=None)
    elif not options.plan:
        raise CompressionError(
            f"No model is given. For example: compress-lab run {DEFAULT_MODEL} --plan FILE."
        )
    if options.revision:
        plan = replace(plan, revision=options.revision)
    rules = _rules(options)
    if rules:
        plan = replace(plan, rules=rules)
    elif not options.plan:
        raise CompressionError(
            "No compression is given: use --method NAME --keep F, or --plan FILE. "
            "For example: --method svd --keep 0.5 --include embedding."
        )
    evaluation = read_evaluation(options) | drop_unset(protocol=options.protocol)
    calibration = drop_unset(corpus=options.calibration_text, tokens=options.calibration_tokens)
    generation = drop_unset(max_new_tokens=options.new_tokens, temperature=options.temperature)
    return replace(
        plan,
        evaluation=replace(plan.evaluation, digest=None, **evaluation),
        calibration=replace(plan.calibration, digest=None, **calibration),
        generation=replace(plan.generation, **generation),
        prompts=tuple(options.prompt) if options.prompt else plan.prompts,
        **drop_unset(seed=options.seed),
    )


def _rules(options: argparse.Namespace) -> tuple[Rule, ...]:
    if options.method is None and options.keep is None:
        for name in ("include", "exclude", "option", "preset", "keep_of", *RULE_OPTIONS):
            if getattr(options, name):
                flag = name.replace("_", "-")
                raise CompressionError(f"--{flag} needs --method and --keep.")
        return ()
    default_keep: Any = 1.0 if is_sized(options.method) and options.keep is None else options.keep
    if options.method is None or default_keep is None:
        missing = "--method NAME" if options.method is None else "--keep F"
        raise CompressionError(f"{missing} is missing: --method and --keep belong together.")
    pairs: dict[str, OptionValue] = dict(preset_options(options.method, options.preset))
    pairs |= read_pairs(options.option)
    settings = drop_unset(**{name: getattr(options, name) for name in RULE_OPTIONS})
    if settings.get("allocation") == MANUAL:
        settings["allocation"] = UNIFORM
    patterns = options.include or ["*"]
    if settings.get("allocation", UNIFORM) != UNIFORM:
        # A budget is allocated within one rule, so all patterns form one.
        patterns = [",".join(patterns)]
    keeps = [*((pattern, default_keep) for pattern in patterns), *_other_keeps(options)]
    rules = [
        Rule(pattern=pattern, method=options.method, keep=keep, options=pairs, **settings)
        for pattern, keep in keeps
    ]
    rules += [Rule(pattern=pattern, method=DENSE, keep=1.0) for pattern in options.exclude or ()]
    return tuple(rules)


def _other_keeps(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the patterns of `--keep-of` with their sizes; the last matching pattern wins."""
    if options.allocation == MANUAL and not options.keep_of:
        raise CompressionError(
            "--allocation manual needs --keep-of PATTERN=KEEP at least once; weights that no "
            "pattern matches use --keep."
        )
    keeps = []
    for text in options.keep_of or ():
        pattern, equals, keep = text.rpartition("=")
        if not (equals and pattern and keep):
            raise CompressionError(f"--keep-of must be PATTERN=KEEP, e.g. query=0.4, not {text!r}.")
        keeps.append((pattern, keep))
    return keeps


def _from_file(name: str) -> Plan:
    path = Path(name)
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CompressionError(f"There is no plan file {name}.") from None
    except OSError as error:
        raise CompressionError(f"{name} cannot be read: {error.strerror}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CompressionError(f"{name} is not valid JSON: {error}.") from error
    if isinstance(data, dict) and "plan" in data and "perplexity" in data:
        data = data["plan"]
    return Plan.from_json(data)
