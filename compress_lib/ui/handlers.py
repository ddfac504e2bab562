"""What happens on a click: plain functions and generators over the form's values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from compress_lib.describe import to_frame
from compress_lib.errors import CompressionError
from compress_lib.events import Evaluated, Event, Finished, MaskFilled, Measured, PassedOver
from compress_lib.formatting import format_left, format_seconds
from compress_lib.landmarks import find_landmark
from compress_lib.paired import measured_on
from compress_lib.plan import Plan
from compress_lib.progress import TimeLeft
from compress_lib.results import RunRecord
from compress_lib.ui import controls, render, texts, written
from compress_lib.ui.engine import Engine
from compress_lib.ui.fills import both_fills
from compress_lib.ui.following import followed
from compress_lib.ui.jobs import WritingNote

if TYPE_CHECKING:
    import pandas as pd

MAX_RUNS = 30
"""Runs that a session remembers."""

MAX_LOG = 400

KEPT_SECONDS = 24 * 3600
"""How long a session remembers its runs and changes."""


@dataclass(frozen=True)
class Update:
    """What a running job changes on the page; None leaves a part as it is.

    Attributes:
        measured: A run that is measured while both models still write.
        finished: The same run at its end, or one that was made before.
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
    """What a handler knows of its job so far; `plans` are those that are not finished.

    `so_far` says what was measured of the plan that runs.
    """

    plans: int
    so_far: str = ""
    left: TimeLeft = field(default_factory=TimeLeft)
    lines: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    stored: bool = True
    passed: list[str] = field(default_factory=list)
    seconds: float = 0.0
    record: RunRecord | None = None


def run(engine: Engine, given: Sequence[Any]) -> Generator[Update, None, None]:
    """Run what stands in the form, telling all the while how it goes.

    Closing the generator stops the job and frees the engine.

    Raises:
        CompressionError: The form or the run is refused; the message says why.
    """
    yield from follow(engine, [controls.read(controls.Form.of(given))])


def follow(engine: Engine, plans: Sequence[Plan]) -> Generator[Update, None, None]:
    """Run plans as one job, telling all the while how it goes; each record comes as it is made.

    Closing the generator stops the job and frees the engine.

    Raises:
        CompressionError: A run is refused; the message says why.
    """
    watch = _Watch(len(plans))
    steps = followed(engine.line, engine.submit(*plans))
    try:
        yield Update(status=next(steps)[0], log="")
        for status, notes in steps:
            yield from _updates(watch, status, notes)
    finally:
        steps.close()
    if watch.record is not None:
        took = format_seconds(watch.seconds)
        finished = texts.FINISHED.format(seconds=took)
        message = stored_words(watch.record) if watch.stored else finished
        if watch.passed:
            count, why = len(watch.passed), watch.passed[0]
            message += " " + texts.PASSED.format(count=count, all=len(plans), why=why)
        yield Update(status=render.status(message), finished=watch.record, last=True)


def _updates(watch: _Watch, status: str, notes: Sequence[Any]) -> Iterator[Update]:
    """Say what notes change, all at once: they come faster than a browser can draw.

    Each run that is finished has an update of its own; the last one comes with the last word.
    """
    update = Update()
    for note in notes:
        if isinstance(note, WritingNote):
            watch.written[note.which] = note.text
            both = (watch.written.get(which, "") for which in ("baseline", "compressed"))
            update = replace(update, writing=written.writing(note.prompt, *both))
        elif isinstance(note, Event):
            # Whatever comes between texts: the next one is another run's, or another prompt's.
            watch.written.clear()
            _tell(watch, note)
            filled = both_fills([note.fill]) if isinstance(note, MaskFilled) else update.writing
            update = replace(update, log="\n".join(watch.lines[-MAX_LOG:]), writing=filled)
        if isinstance(note, Evaluated):
            yield replace(update, status=status + watch.so_far, measured=note.record)
            update = Update()
        if isinstance(note, Finished) and watch.plans:
            yield replace(update, status=status, finished=note.record)
            update = Update()
    yield replace(update, status=status + watch.so_far)


def _tell(watch: _Watch, event: Event) -> None:
    if isinstance(event, Finished | PassedOver):
        watch.plans -= 1
        watch.so_far = ""
    if isinstance(event, PassedOver):
        watch.passed.append(event.why)
    if isinstance(event, Finished):
        watch.record = event.record
        watch.stored = watch.stored and event.stored
        watch.seconds += 0.0 if event.stored else sum(event.record.seconds.values())
    left = watch.left.seconds(event.fraction)
    ahead = f"  ({format_left(left)} left)" if left is not None else ""
    if isinstance(event, Measured):
        found = event.comparison
        watch.so_far = render.so_far(
            found.baseline.value, found.compressed.value, len(found.blocks)
        )
        watch.lines.append(
            f"After block {len(found.blocks)}: perplexity {found.baseline.value:,.2f} → "
            f"{found.compressed.value:,.2f}, KL {found.kl:.4f}{ahead}"
        )
    else:
        if isinstance(event, Evaluated):
            watch.so_far = render.so_far_shown()
        watch.lines.append(event.message + ahead)


def lookup(engine: Engine, key: object) -> RunRecord | None:
    """Find a run by its key: a landmark, or one of this machine's runs."""
    return engine.runs.find(key) if isinstance(key, str) else None


def stored_words(record: RunRecord) -> str:
    """Say of a run that exists where it comes from.

    A landmark may have been measured on other weights than are loaded here.
    """
    if find_landmark(record.key):
        return texts.MEASURED_BEFORE.format(source=record.model.source)
    return texts.STORED


def with_run(keys: Any, record: RunRecord) -> list[str]:
    """Return a session's runs with one that comes first, the oldest left out if there are many."""
    known = keys if isinstance(keys, list) else []
    return [record.key, *(key for key in known if key != record.key)][:MAX_RUNS]


def own_runs(engine: Engine, keys: Any) -> list[RunRecord]:
    """Return a session's runs, newest first."""
    wanted = keys[:MAX_RUNS] if isinstance(keys, list) else []
    # What was measured beforehand is nobody's own, even where it answers what somebody asked.
    found = (lookup(engine, key) for key in wanted)
    return [record for record in found if record and not find_landmark(record.key)]


def comparable(records: Sequence[RunRecord], like: RunRecord | None) -> list[RunRecord]:
    """Return the runs whose numbers may stand in one chart with another's."""
    if like is None:
        return list(records)
    return [record for record in records if measured_on(record) == measured_on(like)]


def first_plan(query: str) -> tuple[Plan, str | None]:
    """Return the plan of a link, and what is wrong with the link, if anything."""
    try:
        return restored(Plan.from_query(query))
    except CompressionError as error:
        return Plan(), str(error)


def restored(plan: Plan) -> tuple[Plan, str | None]:
    """Return what the form shows of a plan, and what it cannot show, if anything.

    Raises:
        CompressionError: The plan holds what the form refuses.
    """
    shown, same = controls.shown_plan(plan)
    return shown, None if same else texts.MORE_THAN_THE_FORM


def to_csv(records: Sequence[RunRecord]) -> str:
    """Return runs as CSV, a line each."""
    return frame_csv(to_frame(records))


def frame_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV; a cell that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow([_harmless(cell) for cell in row])
    return out.getvalue()


def download(name: str, kind: str, content: str) -> str:
    """Return a file as the browser takes it to save it."""
    return json.dumps({"name": name, "type": kind, "content": content})


def to_json(record: RunRecord) -> str:
    """Return a run as JSON."""
    return json.dumps(record.to_json(), indent=2, ensure_ascii=False)


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + cell
    return cell
