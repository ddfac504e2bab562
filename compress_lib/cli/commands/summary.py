"""Run summary for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from compress_lib.cli.output import write_line
from compress_lib.results.confidence import format_interval
from compress_lib.results.describe import describe_decoding
from compress_lib.results.records import RunRecord, SpeedRecord
from compress_lib.results.text_record import Prediction
from compress_lib.utils.formatting import (
    format_bytes,
    format_perplexity,
    format_seconds,
    format_share,
)


def write_summary(record: RunRecord) -> None:
    """Write the main results of a run to stdout."""
    ppl, memory = record.perplexity, record.memory
    write_line(f"model       {record.model.id}, {record.model.source}")
    write_line(
        f"perplexity  {format_perplexity(ppl.baseline)}{format_interval(ppl, 'baseline')} → "
        f"{format_perplexity(ppl.compressed)}{format_interval(ppl)}, "
        f"{ppl.ratio:.4g}×{format_interval(ppl, 'ratio')}; {ppl.tokens:,} tokens of {ppl.corpus}, "
        f"context {ppl.context}, protocol {ppl.protocol}"
    )
    write_line(
        f"agreement   KL {record.agreement.kl:.4f} nats/token, top-1 agreement "
        f"{format_share(record.agreement.top1)}"
    )
    if record.estimated_loss is not None:
        write_line(
            f"estimate    loss increase of {record.estimated_loss:.4f} nats/token, before the run"
        )
    write_line(
        f"memory      {format_bytes(memory.baseline_bytes)} → "
        f"{format_bytes(memory.compressed_bytes)} "
        f"({format_share(memory.share)} of the original model)"
    )
    if record.speed is not None:
        write_line(f"speed       {_speeds(record.speed)}")
    if decoding := describe_decoding(record):
        write_line(f"note        {decoding}")
    embeddings = [target for target in record.targets if target.family in ("embedding", "head")]
    for target in embeddings[:1]:
        direction = target.direction_error
        write_line(
            f"direction   mean {direction.mean:.4f}, median {direction.p50:.4f}, 95th percentile "
            f"{direction.p95:.4f} (1 − cos, {target.names[0]})"
        )
    for task in record.tasks:
        write_line(
            f"task        {task.task}, {task.metric} "
            f"{task.baseline:.3f}{_error(task.baseline_stderr)} → "
            f"{task.compressed:.3f}{_error(task.compressed_stderr)} ({task.samples} items)"
        )
    for text in record.text:
        write_line(f"prompt      {text.prompt!r}")
        write_line(f"  original   {text.baseline!r}")
        write_line(f"  compressed {text.compressed!r}")
    for fill in record.fills:
        write_line(f"prompt      {fill.prompt!r}")
        write_line(f"  original   {_format_predictions(fill.baseline)}")
        write_line(f"  compressed {_format_predictions(fill.compressed)}")
    write_line(f"took        {format_seconds(sum(record.seconds.values()))}, key {record.key}")


def _format_predictions(predictions: Sequence[Prediction]) -> str:
    """Return the predicted tokens with their probabilities; ` | ` separates masks."""
    masks = groupby(predictions, key=lambda prediction: prediction.mask)
    return " | ".join(
        ", ".join(f"{one.token!r} {format_share(one.probability)}" for one in group)
        for _, group in masks
    )


def _speeds(speed: SpeedRecord) -> str:
    """Return the throughput of both models and the speedup of prefill."""
    text = (
        f"prefill {speed.baseline_prefill:,.0f} → {speed.compressed_prefill:,.0f} tok/s "
        f"({speed.prefill_ratio:.2f}×)"
    )
    if speed.baseline_decode is not None and speed.compressed_decode is not None:
        text += f", decode {speed.baseline_decode:,.1f} → {speed.compressed_decode:,.1f} tok/s"
    return text


def _error(value: float | None) -> str:
    return "" if value is None else f" ± {value:.3f}"
