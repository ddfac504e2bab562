"""From a plan to a record: one generator of events, for the page and the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import Read, timed_logits
from compress_lib.evaluation.tasks import ChosenTasks, load_tasks, run_tasks
from compress_lib.models.loading import LanguageModel, load_model
from compress_lib.plan.plan import Plan
from compress_lib.results.records import RunRecord, TaskRecord
from compress_lib.runs.events import Event, Finished, finished
from compress_lib.runs.prepare import completed, prepare
from compress_lib.runs.prompts import WritingListener, answer
from compress_lib.runs.stages import LOADED, Made, Stages, compress, compress_and_measure
from compress_lib.utils.generators import Returning
from compress_lib.utils.progress import Laps, Progress, no_progress, span

if TYPE_CHECKING:
    from compress_lib.results.store import Store


TASKS = 0.5
"""The share that tasks, if there are any, take of what is left after compressing."""

SAME = 0.01
"""By what share a model may differ that is made again: the last digits are each machine's own."""

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
) -> Generator[Event, None, None]:
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
    """Make the compressed model of a run again, without reading or writing text with it.

    Args:
        record: The run.
        model: The original, of the revision that the run had.
        progress: Told about the parts of it; may raise `StoppedError`.

    Raises:
        CompressionError: It cannot be made again from the weights, the texts and the machine that
            are here now.
    """
    job = prepare(Plan.from_json(record.plan), model)
    if job.plan.key != record.key:
        raise CompressionError(
            "The model of this run cannot be made again: its weights, its texts or the program are "
            "others by now. Run its plan again."
        )
    # What is left half done, its workers with it, ends before anything else begins.
    with closing(compress(job, model, 1.0, Laps(), progress)) as steps:
        events = Returning(steps)
        for event in events:
            progress(event.fraction, event.message)
    _check_same(record, events.value)
    return events.value.model


def _check_same(record: RunRecord, made: Made) -> None:
    """Refuse a model that is not the one whose numbers a record holds.

    Raises:
        CompressionError: Bytes or errors differ, as after a training on another device.
    """
    again = replace(record, targets=tuple(done.record for done in made.targets))
    sizes = [sum(target.bytes_after for target in run.targets) for run in (record, again)]
    errors = [run.relative_error for run in (record, again)]
    if any(abs(new - old) > SAME * old for old, new in (sizes, errors)):
        raise CompressionError(
            f"Made again, this model came out otherwise (relative error {errors[1]:.4g} instead of "
            f"{errors[0]:.4g}): the run was made on another machine. Run its plan again."
        )


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
