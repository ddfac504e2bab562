"""From a plan to a record: one generator of events, for the page and the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import Read, timed_logits
from compress_lib.evaluation.tasks import ChosenTasks, load_tasks, run_tasks
from compress_lib.events import Event, Finished, finished
from compress_lib.job import completed, prepare
from compress_lib.models import LanguageModel, load_model
from compress_lib.plan import Plan
from compress_lib.progress import Laps, Progress, no_progress, span
from compress_lib.prompts import WritingListener, answer
from compress_lib.results import RunRecord, TaskRecord
from compress_lib.stages import LOADED, Made, Stages, compress, compress_and_measure

if TYPE_CHECKING:
    from compress_lib.store import Store


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
    _check_tasks(model, chosen)
    job = prepare(plan, model)
    found = store.find(job.plan.key) if store else None
    if found is not None and chosen.answered_by(found):
        yield Finished(1.0, "This run was made before", found, True, None)
        return
    clock.lap("load")
    yield Event(LOADED, f"Loaded {model.id} from {model.source}")
    stages = Stages.of(model, job, TASKS if chosen.tasks else 0.0)
    record, compressed = yield from compress_and_measure(job, model, stages, clock, progress, read)
    part = span(progress, stages.measured, stages.written)
    answers = yield from answer(model, compressed, plan, part, writing)
    clock.lap("generate")
    solved = yield from _solve(model, compressed, chosen, span(progress, stages.written, 1.0))
    if solved:
        clock.lap("tasks")
    record = completed(record, answers, _with_earlier(solved, found), clock.seconds)
    if store is not None:
        store.add(record)
    yield Finished(1.0, "Finished", record, False, compressed)


def remake(record: RunRecord, model: LanguageModel, progress: Progress) -> LanguageModel:
    """Make the compressed model of a run again, without measuring it.

    Args:
        record: The run.
        model: The original.
        progress: Told about the parts of it; may raise `StoppedError`.

    Raises:
        CompressionError: The weights or the texts are others by now.
    """
    job = prepare(Plan.from_json(record.plan).asked(), model)
    if job.plan.key != record.key:
        raise CompressionError(
            "The model of this run cannot be made again: its weights or texts are others by now."
        )
    steps = compress(job, model, 1.0, Laps(), progress)
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            made: Made = end.value
            return made.model
        progress(event.fraction, event.message)


def run_plan(plan: Plan, *, device: str = "auto", store: Store | None = None) -> RunRecord:
    """Run a plan to its end and return the record. See `execute`."""
    return finished(execute(plan, device=device, store=store)).record


def _check_tasks(model: LanguageModel, chosen: ChosenTasks) -> None:
    """Refuse tasks that a model cannot solve before anything is computed for them."""
    if chosen.tasks and model.kind == "masked":
        raise CompressionError(
            f"{model.id} is a masked model: tasks by likelihood need one that predicts the next "
            "token."
        )


def _with_earlier(solved: list[TaskRecord], found: RunRecord | None) -> list[TaskRecord]:
    """Return tasks beside those of an earlier run of the same plan."""
    new = {task.task for task in solved}
    return solved + [task for task in (found.tasks if found else ()) if task.task not in new]


def _solve(
    model: LanguageModel, compressed: LanguageModel, chosen: ChosenTasks, progress: Progress
) -> Generator[Event, None, list[TaskRecord]]:
    done = run_tasks(model, compressed, chosen, progress=progress)
    for record in done:
        line = f"{record.task}: {record.metric} {record.baseline:.3f} → {record.compressed:.3f}"
        yield Event(1.0, line)
    return done
