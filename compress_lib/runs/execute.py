"""Run a plan: load, prepare texts, allocate, compress, evaluate, generate, record.

`execute` calls one function per step, each of which returns its value and sends progress events
to `report`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from compress_lib.compression.compress import (
    allocate_by_loss,
    compress_targets,
    install_targets,
)
from compress_lib.compression.target_compressor import CompressedTarget
from compress_lib.data.calibration_text import Calibration
from compress_lib.data.corpora import Text, read_text
from compress_lib.data.examples import Example
from compress_lib.data.tokenization import check_protocols, prepare_texts
from compress_lib.errors import CompressionError
from compress_lib.evaluation.fill_mask import fill_both
from compress_lib.evaluation.generation import write_both
from compress_lib.evaluation.likelihood import Comparison, Read, compare, time_logits
from compress_lib.evaluation.tasks import ChosenTasks, load_tasks, run_tasks
from compress_lib.models.loading import LanguageModel, load_model
from compress_lib.plan.allocation import Assignment, allocate
from compress_lib.plan.budget_allocation import BudgetAllocation
from compress_lib.plan.plan import Plan
from compress_lib.results.records import RunRecord, TaskRecord
from compress_lib.results.target_record import TargetRecord
from compress_lib.results.text_record import FillRecord, TextRecord
from compress_lib.runs.events import (
    BlockScored,
    BudgetAllocated,
    EvaluationFinished,
    MaskFilled,
    RunFinished,
    TargetCompressed,
    TextProgress,
    TextWritten,
)
from compress_lib.runs.progress_parts import LOADED, ProgressParts
from compress_lib.runs.record_builder import build_record, complete_record
from compress_lib.utils.formatting import format_perplexity, format_share
from compress_lib.utils.generators import iterate_callbacks
from compress_lib.utils.progress import (
    Event,
    Milestone,
    Report,
    StepTimer,
    ignore,
    serialize,
    subrange,
)

if TYPE_CHECKING:
    from compress_lib.results.store import Store

Load = Callable[[str, str | None, str, Report], LanguageModel]
"""Loads a model, given its name, its revision, the device and the progress callback."""


def load_fresh(model: str, revision: str | None, device: str, report: Report) -> LanguageModel:
    """Load a model without a cache; see `Load`."""
    return load_model(model, revision=revision, device=device, report=report)


def execute(
    plan: Plan,
    report: Report = ignore,
    *,
    device: str = "auto",
    store: Store | None = None,
    load: Load = load_fresh,
    tasks: Sequence[str] = (),
    task_limit: int | None = None,
    read: Read = time_logits,
) -> RunFinished:
    """Run a plan, and return the last event, with the record and the compressed model.

    Args:
        plan: The plan.
        report: Called with every event, one at a time; may raise `StoppedError` to stop the run.
        device: See `models.loading.choose_device`.
        store: The store of finished runs; a stored result is returned at once.
        load: Loads the model; the page passes one that caches models between runs.
        tasks: Names of tasks to evaluate, see `evaluation.tasks`; not part of the plan's key.
        task_limit: Maximum items per task; all if None.
        read: Runs the original on the evaluation text; see `likelihood.compare`.

    Raises:
        CompressionError: The plan cannot be run; the message says why. Nothing is stored.
    """
    timer, report = StepTimer(), serialize(report)
    chosen = choose_tasks(tasks, task_limit, report)
    model = load_checked(plan, chosen, device, load, report)
    assignments = allocate(plan, model.targets)
    evaluation, calibration = read_texts(plan, assignments)
    plan = add_provenance(plan, model, evaluation, calibration)
    stored = store.find(plan.key) if store else None
    if stored is not None and chosen.answered_by(stored):
        return _finish(report, stored, None, None)
    timer.stop("load")
    report(Milestone(LOADED, f"Loaded {model.id} from {model.source}"))
    part = ProgressParts.of(plan, model, assignments, tasks=bool(chosen.tasks), report=report)
    examples, text = prepare_texts(
        model, plan.evaluation, evaluation, plan.calibration, calibration, plan.seed
    )
    timer.stop("calibrate")
    budget = allocate_budget(model, assignments, text, part.allocate)
    targets = compress(model, budget.assignments, text, part.compress)
    compressed = install_targets(model, budget.assignments, targets)
    timer.stop("compress")
    comparison = measure(model, compressed, examples, part.measure, read)
    timer.stop("evaluate")
    record = build_record(
        plan, model, compressed, targets, budget.loss, comparison, examples, evaluation, timer
    )
    part.measure(EvaluationFinished(1.0, _evaluation_line(record), record, compressed))
    texts = write_prompts(model, compressed, plan, part.generate)
    fills = fill_prompts(model, compressed, plan, part.generate)
    timer.stop("generate")
    solved = solve_tasks(model, compressed, chosen, stored, part.solve)
    if chosen.tasks:
        timer.stop("tasks")
    record = complete_record(record, texts, fills, solved, timer.seconds)
    return _finish(report, record, compressed, store)


def run_plan(plan: Plan, *, device: str = "auto", store: Store | None = None) -> RunRecord:
    """Run a plan and return its record.

    Args:
        plan: The plan.
        device: See `models.loading.choose_device`.
        store: The store of finished runs; see `execute`.
    """
    return execute(plan, device=device, store=store).record


def iterate_events(plan: Plan, **options: Any) -> Generator[Event, None, RunFinished]:
    """Run a plan as a generator of events; closing it stops the run.

    Args:
        plan: The plan.
        **options: Keyword arguments of `execute`.
    """
    return iterate_callbacks(lambda report: execute(plan, report, **options))


def choose_tasks(names: Sequence[str], limit: int | None, report: Report) -> ChosenTasks:
    """Load the data of tasks, if there are any.

    Args:
        names: Names of tasks.
        limit: Maximum items per task; all if None.
        report: Receives progress events.
    """
    if names:
        report(Milestone(0.0, "Loading task data"))
    return load_tasks(names, limit)


def load_checked(
    plan: Plan, chosen: ChosenTasks, device: str, load: Load, report: Report
) -> LanguageModel:
    """Load the model of a runnable plan, and check that protocols and tasks fit it.

    Args:
        plan: The plan.
        chosen: The tasks to evaluate.
        device: See `models.loading.choose_device`.
        load: Loads the model.
        report: Receives progress events.

    Raises:
        CompressionError: The plan has unknown rules, the model cannot be loaded, or a protocol or
            a task does not fit it.
    """
    plan.check_runnable()
    report(Milestone(0.0, f"Loading {plan.model}"))
    model = load(plan.model, plan.revision, device, subrange(report, 0.0, LOADED))
    check_protocols(model, plan.evaluation, plan.calibration)
    if chosen.tasks and model.kind == "masked":
        raise CompressionError(
            f"{model.id} is a masked model, but likelihood tasks need a causal model, which "
            "predicts the next token."
        )
    return model


def read_texts(plan: Plan, assignments: Sequence[Assignment]) -> tuple[Text, Text | None]:
    """Read the evaluation text, and the calibration text if it is needed.

    Args:
        plan: The plan.
        assignments: Its assignments.

    Returns:
        The evaluation text, and the calibration text or None.
    """
    evaluation = read_text(plan.evaluation, "evaluation")
    # Token counts also weight the direction errors of an embedding, with every method.
    if not any(one.required_statistics or one.family == "embedding" for one in assignments):
        return evaluation, None
    return evaluation, read_text(plan.calibration, "calibration")


def add_provenance(
    plan: Plan, model: LanguageModel, evaluation: Text, calibration: Text | None
) -> Plan:
    """Return the plan with the model's revision and the digests of its texts.

    Args:
        plan: The plan.
        model: The loaded model.
        evaluation: The evaluation text.
        calibration: The calibration text, if it was read.
    """
    return plan.with_provenance(
        revision=model.revision,
        evaluation=evaluation.digest,
        calibration=calibration.digest if calibration else None,
    )


def allocate_budget(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    calibration: Calibration,
    report: Report,
) -> BudgetAllocation:
    """Allocate bytes by estimated loss for the rules that require it; see `allocate_by_loss`."""
    allocation = allocate_by_loss(model, assignments, calibration, report)
    if allocation.loss is not None:
        report(BudgetAllocated(1.0, allocation.line, allocation.loss, allocation.nbytes))
    return allocation


def compress(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    calibration: Calibration,
    report: Report,
) -> list[CompressedTarget]:
    """Compress all targets; see `compress_targets`."""
    targets: list[CompressedTarget] = []
    total, done = sum(one.nbytes for one in assignments), 0
    steps = compress_targets(model, assignments, calibration=calibration, report=report)
    for target in steps:
        targets.append(target)
        done += target.record.bytes_before
        line = _target_line(target.record)
        report(TargetCompressed(done / total, line, target.record, target.direction))
    return targets


def measure(
    model: LanguageModel,
    compressed: LanguageModel,
    examples: Sequence[Example],
    report: Report,
    read: Read,
) -> Comparison:
    """Score both models on the evaluation text, block by block.

    Args:
        model: The original.
        compressed: The compressed model.
        examples: The evaluation text.
        report: Receives progress events, with the running estimate after every block.
        read: Runs the original; see `likelihood.compare`.
    """
    message = "Measuring perplexity of both models"
    report(Event(0.0, message))
    comparison = Comparison(())
    tick = partial(_tick, report, message)
    for index, comparison in enumerate(compare(model, compressed, examples, tick, read), start=1):
        line = f"Perplexity {comparison.compressed.value:,.2f} after block {index}"
        report(BlockScored(index / len(examples), line, comparison))
    return comparison


def write_prompts(
    model: LanguageModel, compressed: LanguageModel, plan: Plan, report: Report
) -> list[TextRecord]:
    """Continue every prompt with both models; masked models generate nothing.

    Args:
        model: The original.
        compressed: The compressed model.
        plan: The plan, with its prompts.
        report: Receives progress events for every token.
    """
    if model.kind == "masked":
        return []
    texts: list[TextRecord] = []
    steps, total = 0, 2 * plan.generation.max_new_tokens * len(plan.prompts)
    for prompt in plan.prompts:

        def listen(which: str, text: str, prompt: str = prompt) -> None:
            nonlocal steps
            steps += 1
            report(TextProgress(steps / total, "Generating text", prompt, which, text))

        report(Event(steps / total, "Generating text"))
        texts.append(
            write_both(model, compressed, prompt, plan.generation, seed=plan.seed, listener=listen)
        )
        report(TextWritten(steps / total, "Generated text", texts[-1]))
    return texts


def fill_prompts(
    model: LanguageModel, compressed: LanguageModel, plan: Plan, report: Report
) -> list[FillRecord]:
    """Fill in the masks of every prompt with both models; causal models fill in nothing.

    Args:
        model: The original.
        compressed: The compressed model.
        plan: The plan, with its prompts.
        report: Receives progress events for every prompt.
    """
    if model.kind != "masked":
        return []
    fills: list[FillRecord] = []
    for index, prompt in enumerate(plan.prompts, start=1):
        report(Event((index - 1) / len(plan.prompts), "Filling in masks"))
        fills.append(fill_both(model, compressed, prompt))
        share = index / len(plan.prompts)
        report(MaskFilled(share, "Filled in masks", fills[-1]))
    return fills


def solve_tasks(
    model: LanguageModel,
    compressed: LanguageModel,
    chosen: ChosenTasks,
    stored: RunRecord | None,
    report: Report,
) -> list[TaskRecord]:
    """Evaluate the tasks, and add the results of other tasks from an earlier run of the plan.

    Args:
        model: The original.
        compressed: The compressed model.
        chosen: The tasks to evaluate.
        stored: The record of an earlier run of the same plan, if any.
        report: Receives progress events.
    """
    solved = run_tasks(model, compressed, chosen, report=report)
    for task in solved:
        line = f"{task.task}: {task.metric} {task.baseline:.3f} → {task.compressed:.3f}"
        report(Milestone(1.0, line))
    new = {task.task for task in solved}
    earlier = stored.tasks if stored else ()
    return solved + [task for task in earlier if task.task not in new]


def _finish(
    report: Report, record: RunRecord, compressed: LanguageModel | None, store: Store | None
) -> RunFinished:
    """Store a new record, and report that the run is finished."""
    if store is not None:
        store.add(record)
    message = "Finished" if compressed else "Found a stored result"
    finished = RunFinished(1.0, message, record, compressed is None, compressed)
    report(finished)
    return finished


def _tick(report: Report, message: str, share: float) -> None:
    report(Event(share, message))


def _evaluation_line(record: RunRecord) -> str:
    ppl, share = record.perplexity, format_share(record.memory.share)
    return (
        f"Evaluated: perplexity {format_perplexity(ppl.baseline)} → "
        f"{format_perplexity(ppl.compressed)} ({ppl.ratio:.4g}×), {share} of the bytes"
    )


def _target_line(record: TargetRecord) -> str:
    kept = record.bytes_after / record.bytes_before
    rank = f", rank {record.rank}" if record.rank is not None else ""
    return (
        f"{record.names[0]}: {record.method}{rank}, {format_share(kept)} of the bytes, relative "
        f"error {record.relative_error:.4f}, direction error {record.direction_error.mean:.4f}, "
        f"{record.seconds:.1f} s"
    )
