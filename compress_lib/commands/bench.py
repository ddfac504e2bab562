"""`compress-lab bench speed | landmarks | autoencoder | quality`: figures for anyone to repeat.

`speed` asks whether the compressed model is as fast as the dense one: both are timed by turns in
one process, after a warm-up, and the medians' ratio is what counts, because seconds differ
between machines and from minute to minute. `landmarks` makes the runs that the page shows first,
`autoencoder` times the training of the second paper, `quality` compares all methods on whole
models.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from compress_lib.catalogue import DEFAULT_MODEL
from compress_lib.commands import bench_autoencoder, bench_quality
from compress_lib.commands.arguments import add_pairs, read_pairs
from compress_lib.commands.output import ProgressLine, write_json, write_line, write_table
from compress_lib.errors import check_integer

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.models import LanguageModel

PREFILL_TOKENS = 512
DECODED_TOKENS = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=("speed", "landmarks", "autoencoder", "quality"))
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--method", default="svd")
    parser.add_argument("--keep", default="0.5")
    parser.add_argument("--include", default="*", metavar="PATTERN")
    add_pairs(parser, "an option of the method")
    parser.add_argument("--repeat", default="7", metavar="N")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", metavar="FOLDER", help="where records go")
    parser.add_argument("--only", metavar="NAME[,NAME]", help="records whose names contain one")
    parser.add_argument("--fresh", action="store_true", help="make records that exist again")
    parser.add_argument("--json", action="store_true", help="write JSON")
    bench_quality.add_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Run the benchmark that is named."""
    if options.what == "landmarks":
        _landmarks(options)
    elif options.what == "autoencoder":
        bench_autoencoder.run(options)
    elif options.what == "quality":
        bench_quality.run(options)
    else:
        _speed(options)


def _landmarks(options: argparse.Namespace) -> None:
    """Make every landmark that is missing; what is finished stays if it is stopped."""
    from compress_lib.events import finished
    from compress_lib.landmarks import FOLDER, landmark_plans
    from compress_lib.models import load_model
    from compress_lib.run import execute
    from compress_lib.storage import write_json_file

    folder = Path(options.out) if options.out else FOLDER
    progress = ProgressLine()
    model = load_model(DEFAULT_MODEL, device=options.device, progress=progress)
    plans = landmark_plans()
    for name in bench_quality.wanted(plans, options.only):
        file = folder / f"{name}.json"
        if file.exists() and not options.fresh:
            continue
        record = finished(execute(plans[name], load=lambda *_: model, progress=progress)).record
        write_json_file(file, record.to_json())
        write_line(f"{name}: perplexity {record.perplexity.compressed:,.2f}")


def _speed(options: argparse.Namespace) -> None:
    """Time prefill and decoding of a model and of its compressed self."""
    import torch

    from compress_lib.allocation import allocate
    from compress_lib.compression import compress_at_once
    from compress_lib.evaluation.memory import total_bytes
    from compress_lib.models import load_model
    from compress_lib.plan import Plan, Rule

    repeat = check_integer("--repeat", options.repeat, minimum=3)
    rule = Rule(
        pattern=options.include,
        method=options.method,
        keep=options.keep,
        options=read_pairs(options.option),
    )
    progress = ProgressLine()
    model = load_model(options.model, device=options.device, progress=progress)
    assigned = allocate(Plan(model=options.model, rules=(rule,)), model.targets)
    _, compressed = compress_at_once(model, assigned, progress=progress)
    rows = []
    tasks = [("prefill", _prefill, PREFILL_TOKENS), ("decode", _decode, DECODED_TOKENS)]
    with torch.inference_mode():
        # A masked model reads, and writes nothing.
        for name, make, tokens in tasks[: 1 if model.kind == "masked" else 2]:
            dense, small = _by_turns(make(model), make(compressed), repeat)
            rows.append(
                {
                    "what": name,
                    "dense_tokens_per_second": tokens / dense,
                    "compressed_tokens_per_second": tokens / small,
                    "speedup": dense / small,
                }
            )
    share = total_bytes(compressed) / total_bytes(model)
    if options.json:
        write_json(
            {
                "keep": rule.keep,
                "options": rule.options,
                "bytes_share": share,
                "repeat": repeat,
                "speed": rows,
            }
        )
        return
    settings = "".join(f", {name}={value}" for name, value in rule.options.items())
    write_line(
        f"{rule.method}{settings} at keep {rule.keep:g} of {rule.pattern}: "
        f"{share:.1%} of the bytes; medians of {repeat}, tokens a second on {model.device}"
    )
    numbers = ("dense_tokens_per_second", "compressed_tokens_per_second", "speedup")
    write_table(
        ("", "dense", "compressed", "speedup"),
        [(row["what"], *(f"{row[name]:.2f}" for name in numbers)) for row in rows],
    )


def _prefill(model: LanguageModel) -> Callable[[], object]:
    """Read a text at once: all of it, or until the first token after it is written."""
    import torch

    ids = torch.arange(PREFILL_TOKENS, device=model.device)[None] % 1000
    if model.kind == "masked":
        return lambda: model.module(ids).logits[0, -1, 0].item()
    return _written(model, ids, 1)


def _decode(model: LanguageModel) -> Callable[[], object]:
    """Write token by token."""
    import torch

    return _written(model, torch.arange(16, device=model.device)[None], DECODED_TOKENS)


def _written(model: LanguageModel, ids: Tensor, tokens: int) -> Callable[[], object]:
    """Write so many tokens after `ids` `[1, length]`."""
    return lambda: model.module.generate(  # type: ignore[operator]
        ids,
        attention_mask=ids.new_ones(ids.shape),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        pad_token_id=0,
    )


def _by_turns(
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
