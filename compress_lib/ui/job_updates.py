"""Updates of the page while a job runs: status, log, generated texts, finished runs."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from compress_lib.plan.plan import Plan
from compress_lib.results.records import RunRecord
from compress_lib.runs.events import (
    BlockScored,
    EvaluationFinished,
    MaskFilled,
    PlanSkipped,
    RunFinished,
    TextProgress,
)
from compress_lib.ui.common import html, texts
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.session_runs import describe_source
from compress_lib.ui.engine.status import follow
from compress_lib.ui.results import generated_text
from compress_lib.ui.results.filled_masks import both_fills
from compress_lib.utils.formatting import format_left, format_seconds
from compress_lib.utils.progress import EtaEstimator, Event, Milestone

MAX_LOG = 400


@dataclass(frozen=True)
class Update:
    """Changes of the page that a running job causes; None leaves a part unchanged.

    Attributes:
        measured: A run whose metrics are complete while both models still generate text.
        finished: A completed run, or a stored one.
        last: Whether the job is over.
    """

    status: str | None = None
    log: str | None = None
    writing: str | None = None
    measured: RunRecord | None = None
    finished: RunRecord | None = None
    last: bool = False


@dataclass
class _Watch:
    """State of a job as seen by its handler.

    Attributes:
        plans: Number of unfinished plans.
        so_far: HTML with the perplexity of the running plan so far.
    """

    plans: int
    so_far: str = ""
    left: EtaEstimator = field(default_factory=EtaEstimator)
    lines: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    stored: bool = True
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0
    record: RunRecord | None = None


def run_plans(engine: Engine, plans: Sequence[Plan]) -> Generator[Update, None, None]:
    """Run plans as one job; yield its updates, including each record as soon as it is complete.

    Closing the generator stops the job and frees the engine.

    Raises:
        CompressionError: All plans are rejected, or the queue is full.
    """
    watch = _Watch(len(plans))
    steps = follow(engine.queue, engine.submit(*plans))
    try:
        yield Update(status=next(steps)[0], log="")
        for status, events in steps:
            yield from _updates(watch, status, events)
    finally:
        steps.close()
    if watch.record is not None:
        took = format_seconds(watch.seconds)
        finished = texts.FINISHED.format(seconds=took)
        message = describe_source(watch.record) if watch.stored else finished
        if watch.skipped:
            count, why = len(watch.skipped), watch.skipped[0]
            message += " " + texts.SKIPPED_RUNS.format(count=count, all=len(plans), why=why)
        yield Update(status=html.status(message), finished=watch.record, last=True)


def _updates(watch: _Watch, status: str, events: Sequence[Event]) -> Iterator[Update]:
    """Merge events into as few updates as possible, because browsers draw slower than they arrive.

    Each finished run gets its own update; `run_plans` sends that of the last one.
    """
    update = Update()
    for event in events:
        if isinstance(event, TextProgress):
            watch.written[event.which] = event.text
            both = (watch.written.get(which, "") for which in ("baseline", "compressed"))
            update = replace(update, writing=generated_text.writing(event.prompt, *both))
        elif isinstance(event, Milestone):
            # A milestone separates texts: the next one belongs to another run or prompt.
            watch.written.clear()
            _add_to_log(watch, event)
            filled = both_fills([event.fill]) if isinstance(event, MaskFilled) else update.writing
            update = replace(update, log="\n".join(watch.lines[-MAX_LOG:]), writing=filled)
        if isinstance(event, EvaluationFinished):
            yield replace(update, status=status + watch.so_far, measured=event.record)
            update = Update()
        if isinstance(event, RunFinished) and watch.plans:
            yield replace(update, status=status, finished=event.record)
            update = Update()
    yield replace(update, status=status + watch.so_far)


def _add_to_log(watch: _Watch, event: Milestone) -> None:
    if isinstance(event, RunFinished | PlanSkipped):
        watch.plans -= 1
        watch.so_far = ""
    if isinstance(event, PlanSkipped):
        watch.skipped.append(event.reason)
    if isinstance(event, RunFinished):
        watch.record = event.record
        watch.stored = watch.stored and event.stored
        watch.seconds += 0.0 if event.stored else sum(event.record.seconds.values())
    left = watch.left.seconds(event.fraction)
    ahead = f"  ({format_left(left)} left)" if left is not None else ""
    if isinstance(event, BlockScored):
        comparison = event.comparison
        watch.so_far = html.so_far(
            comparison.baseline.value, comparison.compressed.value, len(comparison.blocks)
        )
        watch.lines.append(
            f"After block {len(comparison.blocks)}: perplexity {comparison.baseline.value:,.2f} → "
            f"{comparison.compressed.value:,.2f}, KL {comparison.kl:.4f}{ahead}"
        )
    else:
        if isinstance(event, EvaluationFinished):
            watch.so_far = html.so_far_shown()
        watch.lines.append(event.message + ahead)
