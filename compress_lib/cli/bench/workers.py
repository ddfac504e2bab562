"""`compress-lab bench workers`: what do matrices save that are compressed side by side?

One after the other, each on all cores, and several at once, a core each: by turns in one process,
after a warm-up that also keeps what methods reuse. The medians' ratio is what counts.
"""

from __future__ import annotations

import argparse

from compress_lib.cli.bench.speed import by_turns, one_rule, prepare
from compress_lib.cli.output import ProgressLine, write_json, write_line
from compress_lib.errors import check_integer


def run(options: argparse.Namespace) -> None:
    """Time compressing, one matrix after the other and several at once."""
    import torch

    from compress_lib.compression.compress import compress_at_once
    from compress_lib.models.loading import load_model
    from compress_lib.utils.parallel import limit_workers

    repeat = check_integer("--repeat", options.repeat, minimum=3)
    plan = one_rule(options)
    model = load_model(options.model, device=options.device, report=ProgressLine())
    assigned, text = prepare(model, plan)

    def together() -> None:
        compress_at_once(model, assigned, calibration=text)

    def in_turn() -> None:
        with limit_workers(1):
            together()

    alone, beside = by_turns(in_turn, together, repeat)
    found = {"matrices": len(assigned), "threads": torch.get_num_threads(), "repeat": repeat}
    if options.json:
        write_json({**found, "in_turn_seconds": alone, "side_by_side_seconds": beside})
        return
    write_line(
        f"{plan.rules[0].method}, {len(assigned)} matrices, {found['threads']} threads, medians of "
        f"{repeat}: {alone:.1f} s one after the other, {beside:.1f} s side by side, "
        f"{alone / beside:.2f} × as fast"
    )
