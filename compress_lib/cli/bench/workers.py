"""Parallel compression benchmark (`compress-lab bench workers`).

Compresses matrices sequentially, each on all cores, and in parallel, one core each: alternately in
one process, after a warm-up that also fills the caches of methods. Compare the ratio of the
medians.
"""

from __future__ import annotations

import argparse

from compress_lib.cli.bench.speed import by_turns, one_rule, prepare
from compress_lib.cli.output import ProgressLine, write_json, write_line
from compress_lib.errors import check_integer


def run(options: argparse.Namespace) -> None:
    """Time sequential and parallel compression of matrices."""
    import torch

    from compress_lib.compression.compress import compress_at_once
    from compress_lib.models.loading import load_model
    from compress_lib.utils.parallel import limit_workers

    repeat = check_integer("--repeat", options.repeat, minimum=3)
    plan = one_rule(options)
    model = load_model(options.model, device=options.device, report=ProgressLine())
    assigned, text = prepare(model, plan)

    def compress_parallel() -> None:
        compress_at_once(model, assigned, calibration=text)

    def compress_sequential() -> None:
        with limit_workers(1):
            compress_parallel()

    sequential, parallel = by_turns(compress_sequential, compress_parallel, repeat)
    settings = {"matrices": len(assigned), "threads": torch.get_num_threads(), "repeat": repeat}
    if options.json:
        write_json({**settings, "in_turn_seconds": sequential, "side_by_side_seconds": parallel})
        return
    write_line(
        f"{plan.rules[0].method}, {len(assigned)} matrices, {settings['threads']} threads, median "
        f"of {repeat} repetitions: {sequential:.1f} s sequential, {parallel:.1f} s parallel, "
        f"{sequential / parallel:.2f}× speedup"
    )
