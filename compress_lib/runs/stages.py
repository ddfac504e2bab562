"""The stages of a run until all is measured, and how much of the run each of them takes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from compress_lib.compression.compress import SHARING, Compressed, compress_model, share_bytes
from compress_lib.data.calibration_text import Calibration
from compress_lib.data.examples import Example
from compress_lib.data.tokenization import calibration_blocks, evaluation_blocks
from compress_lib.evaluation.likelihood import Comparison, Read, compare
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import Assignment
from compress_lib.plan.budget_allocation import Allocation
from compress_lib.results.records import RunRecord
from compress_lib.results.target_record import TargetRecord
from compress_lib.runs.events import Allocated, BlockScored, Evaluated, Event, TargetFinished
from compress_lib.runs.prepare import Outcome, PreparedRun, make_record
from compress_lib.utils.formatting import format_perplexity, format_share
from compress_lib.utils.generators import Returning
from compress_lib.utils.progress import Laps, Progress, span

LOADED = 0.05
"""The share of a run that loading takes."""

ONE_BY_ONE = 30
"""How much longer a token takes that is written than one of a text that is read."""

DECODED = 3
"""How much longer writing takes a model whose weights are all decoded at every token."""


@dataclass(frozen=True)
class Stages:
    """The shares of a run at which compressing, measuring and writing end."""

    compressed: float
    measured: float
    written: float

    @classmethod
    def of(cls, model: LanguageModel, job: PreparedRun, tasks: float) -> Stages:
        """Foretell the stages of a job; `tasks` is their share of all that is not compressing."""
        plan, assignments = job.plan, job.assignments
        effort = max((assignment.method.effort for assignment in assignments), default=0.0)
        compressed = LOADED + (1 - LOADED) * effort
        written = compressed + (1 - tasks) * (1 - compressed)
        # Whatever has no rank is codes, which have to be decoded.
        coded = sum(item.nbytes for item in assignments if item.preview.rank is None)
        slower = 1 + DECODED * coded / sum(target.nbytes for target in model.targets)
        tokens = plan.generation.max_new_tokens if model.kind == "causal" else 0
        writing = ONE_BY_ONE * len(plan.prompts) * tokens * (1 + slower)
        reading = 2 * plan.evaluation.tokens
        measured = compressed + reading / (reading + writing) * (written - compressed)
        return cls(compressed, measured, written)


@dataclass(frozen=True)
class Made:
    """A compressed model, with what was found on the way.

    Attributes:
        model: The compressed model.
        blocks: The text that it is to be measured on.
        targets: What became of each weight.
        estimated_loss: What sharing out bytes expected it to cost, if they were.
    """

    model: LanguageModel
    blocks: list[Example]
    targets: tuple[Compressed, ...]
    estimated_loss: float | None


def compress_and_measure(
    job: PreparedRun,
    model: LanguageModel,
    stages: Stages,
    clock: Laps,
    progress: Progress,
    read: Read,
) -> Generator[Event, None, tuple[RunRecord, LanguageModel]]:
    """Carry a job out as far as no text is written.

    Args:
        job: What to do.
        model: The original.
        stages: How much of the run each stage takes.
        clock: Notes how long each stage took.
        progress: Told about all of the run; may raise `StoppedError`.
        read: Reads the text with the original; see `likelihood.compare`.

    Yields:
        Events, at least one a weight and a block of text; the last is `Evaluated`.

    Returns:
        The record so far, and the compressed model.
    """
    made = yield from compress(job, model, stages.compressed, clock, progress)
    comparison = yield from _measure(model, made.model, made.blocks, progress, stages, read)
    clock.lap("evaluate")
    found = Outcome(made.targets, made.blocks, comparison, made.estimated_loss, clock.seconds)
    record = make_record(job, model, made.model, found)
    yield Evaluated(stages.measured, _measured_line(record), record, made.model)
    return record, made.model


def compress(
    job: PreparedRun, model: LanguageModel, end: float, clock: Laps, progress: Progress
) -> Generator[Event, None, Made]:
    """Carry a job out as far as no text is read with the compressed model.

    Args:
        job: What to do.
        model: The original.
        end: The share of the run at which the model is compressed.
        clock: Notes how long each stage took.
        progress: Told about all of the run; may raise `StoppedError`.

    Yields:
        Events, at least one a weight.

    Returns:
        The compressed model, and what became of each weight.
    """
    plan = job.plan
    blocks = evaluation_blocks(model, plan.evaluation, job.evaluation, plan.seed)
    text = calibration_blocks(model, plan.calibration, job.calibration, blocks, plan.seed)
    clock.lap("calibrate")
    targets: list[Compressed] = []
    part = span(progress, LOADED, end)
    begin = SHARING if any(assignment.undecided for assignment in job.assignments) else 0.0
    shared = yield from _share(model, job.assignments, text, span(part, 0.0, begin))
    rest = span(part, begin, 1.0)
    compressed = yield from _compress(model, shared.assignments, text, targets, rest, end)
    clock.lap("compress")
    return Made(compressed, blocks, tuple(targets), shared.loss)


def _share(
    model: LanguageModel,
    assignments: list[Assignment],
    text: Calibration,
    progress: Progress,
) -> Generator[Event, None, Allocation]:
    """Share bytes out where the plan wants that, and say what it is expected to cost."""
    shared = share_bytes(model, assignments, text, progress)
    if shared.loss is not None:
        yield Allocated(LOADED, shared.line, shared.loss, shared.nbytes)
    return shared


def _compress(
    model: LanguageModel,
    assignments: list[Assignment],
    text: Calibration,
    done: list[Compressed],
    progress: Progress,
    end: float,
) -> Generator[Event, None, LanguageModel]:
    if not assignments:
        return model
    total = sum(assignment.nbytes for assignment in assignments)
    steps = Returning(compress_model(model, assignments, calibration=text, progress=progress))
    for finished in steps:
        done.append(finished)
        share = sum(item.record.bytes_before for item in done) / total
        fraction = LOADED + (end - LOADED) * share
        line = _target_line(finished.record)
        yield TargetFinished(fraction, line, finished.record, finished.direction)
    return steps.value


def _measure(
    model: LanguageModel,
    compressed: LanguageModel,
    blocks: list[Example],
    progress: Progress,
    stages: Stages,
    read: Read,
) -> Generator[Event, None, Comparison]:
    comparison = Comparison(())
    begin, end = stages.compressed, stages.measured
    part = span(progress, begin, end)
    part(0.0, "Measuring perplexity of both models")

    def tick(share: float) -> None:
        part(share, "Measuring perplexity of both models")

    for index, comparison in enumerate(compare(model, compressed, blocks, tick, read), start=1):
        fraction = begin + (end - begin) * index / len(blocks)
        message = f"Perplexity {comparison.compressed.value:,.2f} after block {index}"
        yield BlockScored(fraction, message, comparison)
    return comparison


def _measured_line(record: RunRecord) -> str:
    found, share = record.perplexity, format_share(record.memory.share)
    return (
        f"BlockScored: perplexity {format_perplexity(found.baseline)} → "
        f"{format_perplexity(found.compressed)} (× {found.ratio:.4g}), {share} of the bytes"
    )


def _target_line(record: TargetRecord) -> str:
    kept = record.bytes_after / record.bytes_before
    rank = f", rank {record.rank}" if record.rank is not None else ""
    return (
        f"{record.names[0]}: {record.method}{rank}, {format_share(kept)} of the bytes, relative "
        f"error {record.relative_error:.4f}, direction error {record.direction_error.mean:.4f}, "
        f"{record.seconds:.1f} s"
    )
