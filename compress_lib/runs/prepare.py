"""What a run begins with and ends in: a plan that met its model, and a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median

from compress_lib.compression.compress import Compressed
from compress_lib.data.corpora import Text, read_text
from compress_lib.data.examples import Example
from compress_lib.data.tokenization import check_protocols, protocol_of
from compress_lib.evaluation.likelihood import Comparison
from compress_lib.evaluation.memory import compare_memory
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import Assignment, allocate
from compress_lib.plan.plan import Plan
from compress_lib.results.records import (
    AgreementRecord,
    ModelRecord,
    RunRecord,
    SpeedRecord,
    TaskRecord,
)
from compress_lib.runs.prompts import Answers
from compress_lib.runs.provenance import environment, perplexity_record


@dataclass(frozen=True)
class PreparedRun:
    """A plan that met its model and its texts."""

    plan: Plan
    assignments: list[Assignment]
    evaluation: Text
    calibration: Text | None


@dataclass(frozen=True)
class Outcome:
    """What was found before both models write."""

    targets: tuple[Compressed, ...]
    blocks: list[Example]
    comparison: Comparison
    estimated_loss: float | None
    seconds: dict[str, float]


def make_record(
    job: PreparedRun, model: LanguageModel, compressed: LanguageModel, found: Outcome
) -> RunRecord:
    """Return the numbers of a run before both models write: the record of `events.Evaluated`."""
    spec = job.plan.evaluation
    return RunRecord(
        key=job.plan.key,
        plan=job.plan.to_json(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=ModelRecord(model.id, model.revision, model.source, model.parameters),
        perplexity=perplexity_record(
            model,
            found.comparison,
            found.blocks,
            spec.context,
            job.evaluation,
            protocol_of(model, spec),
        ),
        agreement=AgreementRecord(kl=found.comparison.kl, top1=found.comparison.top1),
        memory=compare_memory(model, compressed),
        targets=tuple(done.record for done in found.targets),
        direction=next((done.direction for done in found.targets if done.direction), None),
        text=(),
        seconds=dict(found.seconds),
        environment=environment(model),
        estimated_loss=found.estimated_loss,
        speed=_reading_speed(found.comparison),
    )


def completed(
    record: RunRecord, answers: Answers, tasks: Sequence[TaskRecord], seconds: dict[str, float]
) -> RunRecord:
    """Return a record with what both models wrote and solved after it was made."""
    speed = record.speed
    if speed is not None and answers.texts:
        speed = replace(
            speed,
            baseline_decode=median(text.baseline_tokens_per_second for text in answers.texts),
            compressed_decode=median(text.compressed_tokens_per_second for text in answers.texts),
        )
    return replace(
        record,
        text=tuple(answers.texts),
        fills=tuple(answers.fills),
        tasks=tuple(tasks),
        seconds=dict(seconds),
        speed=speed,
    )


def _reading_speed(comparison: Comparison) -> SpeedRecord | None:
    """Return how fast both models read, where that was timed."""
    read = [comparison.tokens_per_second(which) for which in ("baseline", "compressed")]
    if read[0] is None or read[1] is None:
        return None
    return SpeedRecord(read[0], read[1])


def prepare(plan: Plan, model: LanguageModel) -> PreparedRun:
    """Read the texts, share out the bytes, and note in the plan what exactly was used."""
    check_protocols(model, plan.evaluation, plan.calibration)
    evaluation = read_text(plan.evaluation, "evaluation")
    assignments = allocate(plan, model.targets)
    # Token counts also weigh an embedding's direction errors, whatever the method needs.
    calibrated = any(a.needs or a.family == "embedding" for a in assignments)
    calibration = read_text(plan.calibration, "calibration") if calibrated else None
    exact = plan.resolved(
        revision=model.revision,
        evaluation=evaluation.digest,
        calibration=calibration.digest if calibration else None,
    )
    return PreparedRun(exact, assignments, evaluation, calibration)
