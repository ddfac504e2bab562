"""Speed benchmark (`compress-lab bench speed`): throughput of compressed and dense model.

Both are timed alternately in one process after a warm-up. Compare the ratio of the medians, because
absolute times differ between machines and from minute to minute.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from compress_lib.cli.arguments import drop_unset, read_pairs
from compress_lib.cli.output import ProgressLine, write_json, write_line, write_table
from compress_lib.data.text_spec import QUICK_TOKENS
from compress_lib.errors import check_integer
from compress_lib.methods import is_sized
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.utils.formatting import format_share

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.data.calibration_text import Calibration
    from compress_lib.models.loading import LanguageModel
    from compress_lib.plan.allocation import Assignment

PREFILL_TOKENS = 512
DECODED_TOKENS = 24
USUAL_KEEP = "0.5"


def run(options: argparse.Namespace) -> None:
    """Time prefill and decoding of a model before and after compression."""
    from compress_lib.models.loading import load_model
    from compress_lib.models.stored_tensors import total_bytes

    repeat = check_integer("--repeat", options.repeat, minimum=3)
    plan = one_rule(options)
    report = ProgressLine()
    model = load_model(options.model, device=options.device, report=report)
    compressed = _compress(model, plan, report)
    rows = _times(model, compressed, repeat)
    share = total_bytes(compressed) / total_bytes(model)
    rule = plan.rules[0]
    if options.json:
        settings = {"keep": rule.keep, "options": rule.options, "bytes_share": share}
        write_json({**settings, "repeat": repeat, "speed": rows})
        return
    changed = "".join(f", {name}={value}" for name, value in rule.options.items())
    size = "" if is_sized(rule.method) else f" at keep {rule.keep:g}"
    write_line(
        f"{rule.method}{changed}{size} on {rule.pattern}: {format_share(share)} of the original "
        f"bytes; median tokens/s of {repeat} repetitions on {model.device}"
    )
    numbers = ("dense_tokens_per_second", "compressed_tokens_per_second", "speedup")
    write_table(
        ("", "dense", "compressed", "speedup"),
        [(row["what"], *(f"{row[name]:.2f}" for name in numbers)) for row in rows],
    )


def one_rule(options: argparse.Namespace) -> Plan:
    """Return a plan with one rule, and a short calibration text for methods that need one."""
    keep: Any = options.keep or ("1" if is_sized(options.method) else USUAL_KEEP)
    rule = Rule(
        pattern=options.include,
        method=options.method,
        keep=keep,
        options=read_pairs(options.option),
    )
    plan = Plan(model=options.model, rules=(rule,))
    # The amount of calibration text does not affect speed.
    text = drop_unset(corpus=options.calibration_text) | {"tokens": QUICK_TOKENS}
    return replace(plan, calibration=replace(plan.calibration, **text))


def prepare(model: LanguageModel, plan: Plan) -> tuple[list[Assignment], Calibration]:
    """Return the assignments of a plan and their calibration text.

    Args:
        model: The uncompressed model.
        plan: A plan for this model.

    Returns:
        The assignments, and the calibration text; it is empty if no method needs one.
    """
    from compress_lib.data.calibration_text import Calibration
    from compress_lib.data.corpora import read_text
    from compress_lib.data.tokenization import tokenize_calibration
    from compress_lib.plan.allocation import allocate

    assigned = allocate(plan, model.targets)
    if not any(assignment.required_statistics for assignment in assigned):
        return assigned, Calibration()
    text = read_text(plan.calibration, "calibration")
    tokens = tokenize_calibration(model, plan.calibration, text)
    return assigned, Calibration(tuple(tokens.examples(plan.seed)))


def _compress(model: LanguageModel, plan: Plan, report: ProgressLine) -> LanguageModel:
    from compress_lib.compression.compress import compress_at_once

    assigned, text = prepare(model, plan)
    return compress_at_once(model, assigned, calibration=text, report=report)[1]


def _times(model: LanguageModel, compressed: LanguageModel, repeat: int) -> list[dict[str, Any]]:
    """Return the throughput of both models: prefill, and decode unless they are masked."""
    import torch

    rows = []
    tasks = [("prefill", _prefill, PREFILL_TOKENS), ("decode", _decode, DECODED_TOKENS)]
    with torch.inference_mode():
        # Masked models do not decode.
        for name, make, tokens in tasks[: 1 if model.kind == "masked" else 2]:
            dense, small = by_turns(make(model), make(compressed), repeat)
            rows.append(
                {
                    "what": name,
                    "dense_tokens_per_second": tokens / dense,
                    "compressed_tokens_per_second": tokens / small,
                    "speedup": dense / small,
                }
            )
    return rows


def _prefill(model: LanguageModel) -> Callable[[], object]:
    """Return a forward pass over a prompt; causal models also generate the next token."""
    import torch

    ids = torch.arange(PREFILL_TOKENS, device=model.device)[None] % 1000
    if model.kind == "masked":
        return lambda: model.module(ids).logits[0, -1, 0].item()
    return _generate(model, ids, 1)


def _decode(model: LanguageModel) -> Callable[[], object]:
    """Return the generation of `DECODED_TOKENS` tokens after a short prompt."""
    import torch

    return _generate(model, torch.arange(16, device=model.device)[None], DECODED_TOKENS)


def _generate(model: LanguageModel, ids: Tensor, tokens: int) -> Callable[[], object]:
    """Return the greedy generation of `tokens` tokens after `ids` `[1, length]`."""
    return lambda: model.module.generate(  # type: ignore[operator]
        ids,
        attention_mask=ids.new_ones(ids.shape),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        pad_token_id=0,
    )


def by_turns(
    first: Callable[[], object], second: Callable[[], object], repeat: int
) -> tuple[float, float]:
    """Return the median seconds of two functions, called alternately after one warm-up call each.

    Args:
        first: A function to time.
        second: The function to compare with.
        repeat: Timed calls of each function.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for round_number in range(repeat + 1):
        for seconds, function in zip(times, (first, second), strict=True):
            started = time.perf_counter()
            function()
            if round_number:
                seconds.append(time.perf_counter() - started)
    return median(times[0]), median(times[1])
