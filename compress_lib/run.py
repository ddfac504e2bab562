"""From a plan to a record: one generator of events, for the page and the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from compress_lib.allocation import Assignment, allocate
from compress_lib.blocks import (
    calibration_blocks,
    check_protocols,
    evaluation_blocks,
    protocol_of,
)
from compress_lib.calibration_text import Calibration
from compress_lib.compression import SHARING, Compressed, compress_model, share_bytes
from compress_lib.corpora import Text, read_text
from compress_lib.errors import CompressionError
from compress_lib.evaluation.examples import Example
from compress_lib.evaluation.likelihood import Comparison, compare
from compress_lib.evaluation.memory import compare_memory
from compress_lib.evaluation.tasks import ChosenTasks, load_tasks, run_tasks
from compress_lib.events import Allocated, Event, Finished, Measured, TargetFinished, finished
from compress_lib.models import LanguageModel, load_model
from compress_lib.plan import Plan
from compress_lib.progress import Laps, Progress, no_progress, span
from compress_lib.prompts import Answers, WritingListener, answer
from compress_lib.provenance import environment, perplexity_record
from compress_lib.results import (
    AgreementRecord,
    ModelRecord,
    RunRecord,
    TargetRecord,
    TaskRecord,
)

if TYPE_CHECKING:
    from compress_lib.store import Store


LOADED = 0.05
"""The share of a run that loading takes."""

MEASURING = 0.6
"""The share that measuring takes of what is left after compressing; writing takes the rest."""

TASKS = 0.5
"""The share that tasks, if there are any, take of what is left after compressing."""

Loader = Callable[[str, str | None, str, Progress], LanguageModel]


def default_loader(
    model: str, revision: str | None, device: str, progress: Progress
) -> LanguageModel:
    """Load a model afresh."""
    return load_model(model, revision=revision, device=device, progress=progress)


def execute(
    plan: Plan,
    *,
    device: str = "auto",
    store: Store | None = None,
    load: Loader = default_loader,
    tasks: Sequence[str] = (),
    task_limit: int | None = None,
    progress: Progress = no_progress,
    writing: WritingListener = lambda prompt, which, text: None,
) -> Iterator[Event]:
    """Run a plan: load, calibrate, compress, measure, write.

    Args:
        plan: What to do.
        device: See `models.choose_device`.
        store: Where finished runs are kept; an answer that exists is given at once.
        load: Gives the model; the page keeps models between runs.
        tasks: Names of tasks to measure too, see `evaluation.tasks`; no part of the plan's key.
        task_limit: How many items of each task to take; all if None.
        progress: Told about the parts of long steps; may raise `StoppedError`.
        writing: Told about text while it is written; may raise `StoppedError`.

    Yields:
        Events, at least one a weight, a block of text and a prompt; the last is `Finished`.

    Raises:
        CompressionError: The plan cannot be run; the message says why. Nothing is kept.
    """
    clock = Laps()
    if tasks:
        yield Event(0.0, "Reading the data of the tasks")
    chosen = load_tasks(tasks, task_limit)
    yield Event(0.0, f"Loading {plan.model}")
    model = load(plan.model, plan.revision, device, span(progress, 0.0, LOADED))
    if chosen.tasks and model.kind == "masked":
        raise CompressionError(
            f"{model.id} is a masked model: tasks by likelihood need one that predicts the next "
            "token."
        )
    job = _prepare(plan, model)
    found = store.find(job.plan.key) if store else None
    if found is not None and chosen.answered_by(found):
        yield Finished(1.0, "This run was made before", found, True, None)
        return
    clock.lap("load")
    yield Event(LOADED, f"Loaded {model.id} from {model.source}")
    blocks = evaluation_blocks(model, plan.evaluation, job.evaluation, plan.seed)
    text = calibration_blocks(model, plan.calibration, job.calibration, blocks, plan.seed)
    clock.lap("calibrate")

    ends = _stage_ends(job.assignments, TASKS if chosen.tasks else 0.0)
    targets: list[Compressed] = []
    part = span(progress, LOADED, ends[0])
    shared = yield from _share(model, job.assignments, text, span(part, 0.0, SHARING))
    compressed = yield from _compress(
        model, shared, text, targets, span(part, SHARING, 1.0), ends[0]
    )
    clock.lap("compress")
    comparison = yield from _measure(model, compressed, blocks, progress, ends)
    clock.lap("evaluate")
    answers = yield from answer(model, compressed, plan, span(progress, *ends[1:]), writing)
    clock.lap("generate")
    solved = yield from _solve(model, compressed, chosen, span(progress, ends[2], 1.0))
    if solved:
        clock.lap("tasks")

    # Tasks of an earlier run of the same plan stay beside the new ones.
    new = {task.task for task in solved}
    solved += [task for task in (found.tasks if found else ()) if task.task not in new]
    found_now = _Found(tuple(targets), blocks, comparison, answers, tuple(solved))
    record = _record(job, model, compressed, found_now, clock.seconds)
    if store is not None:
        store.add(record)
    yield Finished(1.0, "Finished", record, False, compressed)


@dataclass(frozen=True)
class _Job:
    """A plan that met its model and its texts."""

    plan: Plan
    assignments: list[Assignment]
    evaluation: Text
    calibration: Text | None


@dataclass(frozen=True)
class _Found:
    """What the steps of a run found."""

    targets: tuple[Compressed, ...]
    blocks: list[Example]
    comparison: Comparison
    answers: Answers
    tasks: tuple[TaskRecord, ...]


def _record(
    job: _Job,
    model: LanguageModel,
    compressed: LanguageModel,
    found: _Found,
    seconds: dict[str, float],
) -> RunRecord:
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
        text=tuple(found.answers.texts),
        fills=tuple(found.answers.fills),
        seconds=seconds,
        environment=environment(model),
        tasks=found.tasks,
    )


def _prepare(plan: Plan, model: LanguageModel) -> _Job:
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
    return _Job(exact, assignments, evaluation, calibration)


def run_plan(plan: Plan, *, device: str = "auto", store: Store | None = None) -> RunRecord:
    """Run a plan to its end and return the record. See `execute`."""
    return finished(execute(plan, device=device, store=store)).record


def _stage_ends(assignments: list[Assignment], tasks: float) -> tuple[float, float, float]:
    """Return the shares of the run at which compressing, measuring and writing end."""
    effort = max((assignment.method.effort for assignment in assignments), default=0.0)
    compressed = LOADED + (1 - LOADED) * effort
    written = compressed + (1 - tasks) * (1 - compressed)
    return compressed, compressed + MEASURING * (written - compressed), written


def _share(
    model: LanguageModel,
    assignments: list[Assignment],
    text: Calibration,
    progress: Progress,
) -> Generator[Event, None, list[Assignment]]:
    """Share bytes out where the plan wants that, and say what it is expected to cost."""
    shared = share_bytes(model, assignments, text, progress)
    if shared.loss is not None:
        yield Allocated(LOADED, shared.line, shared.loss, shared.nbytes)
    return shared.assignments


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
    steps = compress_model(model, assignments, calibration=text, progress=progress)
    while True:
        try:
            finished = next(steps)
        except StopIteration as stop:
            compressed: LanguageModel = stop.value
            return compressed
        done.append(finished)
        share = sum(item.record.bytes_before for item in done) / total
        fraction = LOADED + (end - LOADED) * share
        line = _target_line(finished.record)
        yield TargetFinished(fraction, line, finished.record, finished.direction)


def _measure(
    model: LanguageModel,
    compressed: LanguageModel,
    blocks: list[Example],
    progress: Progress,
    ends: tuple[float, float, float],
) -> Generator[Event, None, Comparison]:
    comparison = Comparison(())
    part = span(progress, *ends[:2])
    part(0.0, "Measuring perplexity of both models")

    def tick(share: float) -> None:
        part(share, "Measuring perplexity of both models")

    for index, comparison in enumerate(compare(model, compressed, blocks, tick), start=1):
        fraction = ends[0] + (ends[1] - ends[0]) * index / len(blocks)
        message = f"Perplexity {comparison.compressed.value:,.2f} after {index} blocks"
        yield Measured(fraction, message, comparison)
    return comparison


def _solve(
    model: LanguageModel, compressed: LanguageModel, chosen: ChosenTasks, progress: Progress
) -> Generator[Event, None, list[TaskRecord]]:
    done = run_tasks(model, compressed, chosen, progress=progress)
    for record in done:
        line = f"{record.task}: {record.metric} {record.baseline:.3f} → {record.compressed:.3f}"
        yield Event(1.0, line)
    return done


def _target_line(record: TargetRecord) -> str:
    kept = record.bytes_after / record.bytes_before
    rank = f", rank {record.rank}" if record.rank is not None else ""
    return (
        f"{record.names[0]}: {record.method}{rank}, {kept:.1%} of the bytes, relative error "
        f"{record.relative_error:.4f}, direction error {record.direction_error.mean:.4f}, "
        f"{record.seconds:.1f} s"
    )
