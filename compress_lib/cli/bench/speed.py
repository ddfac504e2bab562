"""`compress-lab bench speed`: is the compressed model as fast as the dense one?

Both are timed by turns in one process, after a warm-up, and the medians' ratio is what counts,
because seconds differ between machines and from minute to minute.
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
    """Time prefill and decoding of a model and of its compressed self."""
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
        found = {"keep": rule.keep, "options": rule.options, "bytes_share": share}
        write_json({**found, "repeat": repeat, "speed": rows})
        return
    settings = "".join(f", {name}={value}" for name, value in rule.options.items())
    size = "" if is_sized(rule.method) else f" at keep {rule.keep:g}"
    write_line(
        f"{rule.method}{settings}{size} of {rule.pattern}: "
        f"{format_share(share)} of the bytes; medians of {repeat}, tokens a second on "
        f"{model.device}"
    )
    numbers = ("dense_tokens_per_second", "compressed_tokens_per_second", "speedup")
    write_table(
        ("", "dense", "compressed", "speedup"),
        [(row["what"], *(f"{row[name]:.2f}" for name in numbers)) for row in rows],
    )


def one_rule(options: argparse.Namespace) -> Plan:
    """Return one rule for what is selected, and a text for methods that want one."""
    keep: Any = options.keep or ("1" if is_sized(options.method) else USUAL_KEEP)
    rule = Rule(
        pattern=options.include,
        method=options.method,
        keep=keep,
        options=read_pairs(options.option),
    )
    plan = Plan(model=options.model, rules=(rule,))
    # Speed does not depend on what was learned of a text: a short one does.
    text = drop_unset(corpus=options.calibration_text) | {"tokens": QUICK_TOKENS}
    return replace(plan, calibration=replace(plan.calibration, **text))


def prepare(model: LanguageModel, plan: Plan) -> tuple[list[Assignment], Calibration]:
    """Return what is to be compressed, and the text that it learns from."""
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
    """Return how fast both are at reading, and at writing if they write."""
    import torch

    rows = []
    tasks = [("prefill", _prefill, PREFILL_TOKENS), ("decode", _decode, DECODED_TOKENS)]
    with torch.inference_mode():
        # A masked model reads, and writes nothing.
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
    """Read a text at once: all of it, or until the first token after it is written."""
    import torch

    ids = torch.arange(PREFILL_TOKENS, device=model.device)[None] % 1000
    if model.kind == "masked":
        return lambda: model.module(ids).logits[0, -1, 0].item()
    return _generate(model, ids, 1)


def _decode(model: LanguageModel) -> Callable[[], object]:
    """Write token by token."""
    import torch

    return _generate(model, torch.arange(16, device=model.device)[None], DECODED_TOKENS)


def _generate(model: LanguageModel, ids: Tensor, tokens: int) -> Callable[[], object]:
    """Write so many tokens after `ids` `[1, length]`."""
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
    """Return the median seconds of two functions, run by turns after a warm-up of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_number in range(repeat + 1):
        for taken, function in zip(times, (first, second), strict=True):
            started = time.perf_counter()
            function()
            if round_number:
                taken.append(time.perf_counter() - started)
    return median(times[0]), median(times[1])
