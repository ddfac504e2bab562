"""Record builder: assemble a `RunRecord` from the results of a run's steps."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median

import torch

from compress_lib.compression.target_compressor import CompressedTarget
from compress_lib.data.corpora import Text
from compress_lib.data.examples import Example
from compress_lib.data.tokenization import protocol_of
from compress_lib.evaluation.likelihood import Comparison
from compress_lib.evaluation.memory import compare_memory
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.plan import Plan
from compress_lib.results.records import (
    AgreementRecord,
    BlockRecord,
    ModelRecord,
    PerplexityRecord,
    RunRecord,
    SpeedRecord,
    TaskRecord,
)
from compress_lib.results.text_record import FillRecord, TextRecord
from compress_lib.utils.progress import StepTimer

NATS_PER_BIT = 0.6931471805599453


def build_record(
    plan: Plan,
    model: LanguageModel,
    compressed: LanguageModel,
    targets: Sequence[CompressedTarget],
    estimated_loss: float | None,
    comparison: Comparison,
    examples: Sequence[Example],
    text: Text,
    timer: StepTimer,
) -> RunRecord:
    """Return the record of a run before text generation.

    Args:
        plan: The plan with provenance: model revision and text digests.
        model: The original.
        compressed: The compressed model.
        targets: The compressed weights, in order.
        estimated_loss: The loss increase predicted by the allocation; None without one.
        comparison: The scores of both models on the evaluation text.
        examples: The tokenized evaluation text.
        text: The evaluation text.
        timer: The durations of the steps so far.
    """
    spec = plan.evaluation
    return RunRecord(
        key=plan.key,
        plan=plan,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=ModelRecord(model.id, model.revision, model.source, model.parameters),
        perplexity=perplexity_record(
            model, comparison, examples, spec.context, text, protocol_of(model, spec)
        ),
        agreement=AgreementRecord(kl=comparison.kl, top1=comparison.top1),
        memory=compare_memory(model, compressed),
        targets=tuple(done.record for done in targets),
        direction=next((done.direction for done in targets if done.direction), None),
        text=(),
        seconds=dict(timer.seconds),
        environment=describe_environment(model),
        estimated_loss=estimated_loss,
        speed=_prefill_speed(comparison),
    )


def complete_record(
    record: RunRecord,
    texts: Sequence[TextRecord],
    fills: Sequence[FillRecord],
    tasks: Sequence[TaskRecord],
    seconds: dict[str, float],
) -> RunRecord:
    """Return a record with generated text, filled masks and tasks.

    Args:
        record: The record from `build_record`.
        texts: The generated texts.
        fills: The filled masks.
        tasks: The task results.
        seconds: The seconds of each step.
    """
    speed = record.speed
    if speed is not None and texts:
        speed = replace(
            speed,
            baseline_decode=median(text.baseline_tokens_per_second for text in texts),
            compressed_decode=median(text.compressed_tokens_per_second for text in texts),
        )
    return replace(
        record,
        text=tuple(texts),
        fills=tuple(fills),
        tasks=tuple(tasks),
        seconds=dict(seconds),
        speed=speed,
    )


def perplexity_record(
    model: LanguageModel,
    comparison: Comparison,
    examples: Sequence[Example],
    context: int,
    text: Text,
    protocol: str,
) -> PerplexityRecord:
    """Return both perplexities, with everything that two runs must share to be comparable.

    Args:
        model: The original.
        comparison: The scores of both models.
        examples: The tokenized evaluation text.
        context: The context length in tokens.
        text: The evaluation text.
        protocol: The perplexity protocol, one of `text_spec.PROTOCOLS`.
    """
    predicted = [str(model.tokenizer.decode(example.labels.tolist())) for example in examples]
    nbytes = max(sum(len(piece.encode()) for piece in predicted), 1)
    return PerplexityRecord(
        baseline=comparison.baseline.value,
        compressed=comparison.compressed.value,
        baseline_stderr=comparison.baseline.stderr,
        compressed_stderr=comparison.compressed.stderr,
        ratio=comparison.ratio.value,
        ratio_stderr=comparison.ratio.stderr,
        tokens=sum(len(example.ids) for example in examples),
        predictions=comparison.predictions,
        context=context,
        corpus=text.name,
        digest=text.digest,
        protocol=protocol,
        blocks=tuple(
            BlockRecord(block.predictions, round(block.compressed_nll, 4), round(block.kl, 6))
            for block in comparison.blocks
        ),
        baseline_bits_per_byte=comparison.nll("baseline") / NATS_PER_BIT / nbytes,
        compressed_bits_per_byte=comparison.nll("compressed") / NATS_PER_BIT / nbytes,
    )


def describe_environment(model: LanguageModel) -> dict[str, str]:
    """Return versions, platform, device and dtypes of a run."""
    import transformers

    from compress_lib import __version__

    return {
        "compress_lib": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": str(model.device),
        "threads": str(torch.get_num_threads()),
        "computed_in": str(model.module.dtype).removeprefix("torch."),
        "stored_as": str(model.dtype).removeprefix("torch."),
    }


def _prefill_speed(comparison: Comparison) -> SpeedRecord | None:
    """Return the prefill speed of both models; None if it was not timed."""
    speeds = [comparison.tokens_per_second(which) for which in ("baseline", "compressed")]
    if speeds[0] is None or speeds[1] is None:
        return None
    return SpeedRecord(speeds[0], speeds[1])
