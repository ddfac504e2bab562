"""From a plan to a record: one generator of events, for the page and the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from compress_lib.allocation import Assignment
from compress_lib.automatic import Allocation
from compress_lib.blocks import (
    calibration_blocks,
    evaluation_blocks,
)
from compress_lib.calibration_text import Calibration
from compress_lib.compression import SHARING, Compressed, compress_model, share_bytes
from compress_lib.errors import CompressionError
from compress_lib.evaluation.examples import Example
from compress_lib.evaluation.likelihood import Comparison, Read, compare, timed_logits
from compress_lib.evaluation.tasks import ChosenTasks, load_tasks, run_tasks
from compress_lib.events import (
    Allocated,
    Evaluated,
    Event,
    Finished,
    Measured,
    TargetFinished,
    finished,
)
from compress_lib.formatting import format_perplexity, format_share
from compress_lib.job import Job, Outcome, completed, make_record, prepare
from compress_lib.models import LanguageModel, load_model
from compress_lib.plan import Plan
from compress_lib.progress import Laps, Progress, no_progress, span
from compress_lib.prompts import WritingListener, answer
from compress_lib.results import (
    RunRecord,
    TargetRecord,
    TaskRecord,
)

if TYPE_CHECKING:
    from compress_lib.store import Store


LOADED = 0.05
"""The share of a run that loading takes."""

ONE_BY_ONE = 30
"""How much longer a token takes that is written than one of a text that is read."""

DECODED = 3
"""How much longer writing takes a model whose weights are all decoded at every token."""

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
    read: Read = timed_logits,
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
        read: Reads the text with the original; see `likelihood.compare`.

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
    job = prepare(plan, model)
    found = store.find(job.plan.key) if store else None
    if found is not None and chosen.answered_by(found):
        yield Finished(1.0, "This run was made before", found, True, None)
        return
    clock.lap("load")
    yield Event(LOADED, f"Loaded {model.id} from {model.source}")
    blocks = evaluation_blocks(model, plan.evaluation, job.evaluation, plan.seed)
    text = calibration_blocks(model, plan.calibration, job.calibration, blocks, plan.seed)
    clock.lap("calibrate")

    ends = _stage_ends(model, job, TASKS if chosen.tasks else 0.0)
    targets: list[Compressed] = []
    part = span(progress, LOADED, ends[0])
    begin = SHARING if any(assignment.undecided for assignment in job.assignments) else 0.0
    shared = yield from _share(model, job.assignments, text, span(part, 0.0, begin))
    rest = span(part, begin, 1.0)
    compressed = yield from _compress(model, shared.assignments, text, targets, rest, ends[0])
    clock.lap("compress")
    comparison = yield from _measure(model, compressed, blocks, progress, ends, read)
    clock.lap("evaluate")
    outcome = Outcome(tuple(targets), blocks, comparison, shared.loss, clock.seconds)
    record = make_record(job, model, compressed, outcome)
    yield Evaluated(ends[1], _measured_line(record), record, compressed)
    answers = yield from answer(model, compressed, plan, span(progress, *ends[1:]), writing)
    clock.lap("generate")
    solved = yield from _solve(model, compressed, chosen, span(progress, ends[2], 1.0))
    if solved:
        clock.lap("tasks")

    # Tasks of an earlier run of the same plan stay beside the new ones.
    new = {task.task for task in solved}
    solved += [task for task in (found.tasks if found else ()) if task.task not in new]
    record = completed(record, answers, solved, clock.seconds)
    if store is not None:
        store.add(record)
    yield Finished(1.0, "Finished", record, False, compressed)


def run_plan(plan: Plan, *, device: str = "auto", store: Store | None = None) -> RunRecord:
    """Run a plan to its end and return the record. See `execute`."""
    return finished(execute(plan, device=device, store=store)).record


def _stage_ends(model: LanguageModel, job: Job, tasks: float) -> tuple[float, float, float]:
    """Return the shares of the run at which compressing, measuring and writing end."""
    plan, assignments = job.plan, job.assignments
    effort = max((assignment.method.effort for assignment in assignments), default=0.0)
    compressed = LOADED + (1 - LOADED) * effort
    written = compressed + (1 - tasks) * (1 - compressed)
    # Whatever has no rank is codes, which have to be decoded.
    coded = sum(item.nbytes for item in assignments if item.preview.rank is None)
    slower = 1 + DECODED * coded / sum(target.nbytes for target in model.targets)
    written_tokens = plan.generation.max_new_tokens if model.kind == "causal" else 0
    writing = ONE_BY_ONE * len(plan.prompts) * written_tokens * (1 + slower)
    reading = 2 * plan.evaluation.tokens
    return compressed, compressed + reading / (reading + writing) * (written - compressed), written


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
    read: Read,
) -> Generator[Event, None, Comparison]:
    comparison = Comparison(())
    part = span(progress, *ends[:2])
    part(0.0, "Measuring perplexity of both models")

    def tick(share: float) -> None:
        part(share, "Measuring perplexity of both models")

    for index, comparison in enumerate(compare(model, compressed, blocks, tick, read), start=1):
        fraction = ends[0] + (ends[1] - ends[0]) * index / len(blocks)
        message = f"Perplexity {comparison.compressed.value:,.2f} after block {index}"
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


def _measured_line(record: RunRecord) -> str:
    found, memory = record.perplexity, record.memory
    share = format_share(memory.compressed_bytes / memory.baseline_bytes)
    return (
        f"Measured: perplexity {format_perplexity(found.baseline)} → "
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
