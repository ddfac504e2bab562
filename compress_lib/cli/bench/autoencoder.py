"""Autoencoder training benchmark (`compress-lab bench autoencoder`): seconds and loss.

Trains P2's autoencoder on all key matrices of a model, concatenated, at keep 0.1 for the paper's
30 epochs: once with the paper's batch size and learning rate, once with larger batches. The faster
setting counts only if its loss is no worse.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from compress_lib.cli.output import ProgressLine, write_json, write_line, write_table
from compress_lib.methods import OptionValue, preset_options
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel

SETTINGS: dict[str, dict[str, OptionValue]] = {
    "paper (batch size 16, learning rate 0.001)": {},
    "larger batches (batch size 64, learning rate 0.003)": {
        "batch_size": 64,
        "learning_rate": 3e-3,
    },
}


def run(options: argparse.Namespace) -> None:
    """Train with each setting and compare seconds and losses."""
    from compress_lib.models.loading import load_model

    report = ProgressLine()
    model = load_model(options.model, device=options.device, report=report)
    before = peak_megabytes()
    rows = [
        {
            "settings": name,
            **_train(model, {**preset_options("autoencoder", "P2"), **changes}, report),
        }
        for name, changes in SETTINGS.items()
    ]
    size = model.parameters * 4 / 1e6
    memory = {
        "peak_megabytes": peak_megabytes(),
        "peak_before_megabytes": before,
        "model_megabytes_in_fp32": size,
    }
    if options.json:
        write_json({"runs": rows, **memory})
        return
    write_table(
        ("settings", "seconds", "loss", "direction error", "RMSE"),
        [
            (
                str(row["settings"]),
                f"{row['seconds']:.1f}",
                f"{row['loss']:.5f}",
                f"{row['direction_error']:.4f}",
                f"{row['rmse']:.5f}",
            )
            for row in rows
        ],
    )
    write_line(
        f"peak memory {memory['peak_megabytes']:,.0f} MB ({before:,.0f} MB after loading); "
        f"3× the model in fp32 is {3 * size:,.0f} MB"
    )


def _train(
    model: LanguageModel, settings: dict[str, OptionValue], report: ProgressLine
) -> dict[str, float]:
    from compress_lib.compression.compress import compress_at_once
    from compress_lib.plan.allocation import allocate

    rule = Rule(
        pattern="key", method="autoencoder", keep=0.1, options=settings, group="concatenated"
    )
    started = time.perf_counter()
    done, _ = compress_at_once(model, allocate(Plan(rules=(rule,)), model.targets), report=report)
    history = done[0].record.history
    return {
        "seconds": time.perf_counter() - started,
        "loss": min(history["loss"]),
        "direction_error": min(history["direction_error"]),
        "rmse": min(history["rmse"]),
    }


def peak_megabytes() -> float:
    """Return the peak resident memory of this process in MB (10⁶ bytes)."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, Linux kibibytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
