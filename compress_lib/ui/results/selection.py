"""Which run the results show, and which others may stand beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from compress_lib.models.targets import Target
from compress_lib.plan.plan import Plan
from compress_lib.results.describe import unique_labels
from compress_lib.results.landmarks import landmark_of, load_landmarks
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import html, texts
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.engine.session_runs import find_targets


@dataclass(frozen=True)
class Shown:
    """A run among the session's runs and the landmarks that it may be compared with.

    Attributes:
        record: The run; None where nothing was ever measured.
        own: The session's, newest first; the run among them if it is the session's.
        landmarks: By perplexity, without those that are the session's too.
        targets: All compressible weights of the run's model, where they are known.
    """

    record: RunRecord | None
    own: tuple[RunRecord, ...] = ()
    landmarks: tuple[RunRecord, ...] = ()
    targets: tuple[Target, ...] = ()

    @property
    def all(self) -> tuple[RunRecord, ...]:
        """The session's runs, then the landmarks."""
        return (*self.own, *self.landmarks)

    @property
    def mine(self) -> bool:
        """Whether the run is the session's own."""
        return self.record is not None and self.record.key in {r.key for r in self.own}


def first_record() -> RunRecord | None:
    """Return the landmark that is shown before anyone has run anything."""
    return landmark_of(Plan()) or next(iter(load_landmarks()), None)


def select_run(engine: Engine, keys: Any, record: RunRecord | None) -> Shown:
    """Put a run among its neighbours.

    Args:
        engine: Knows the runs.
        keys: The session's keys, as the browser's session holds them.
        record: The run; with None all may stand beside each other.
    """
    own = session_runs.comparable(session_runs.own_runs(engine, keys), record)
    mine = {one.key for one in own}
    landmarks = session_runs.comparable(load_landmarks(), record)
    ordered = sorted(landmarks, key=lambda one: one.perplexity.compressed)
    others = tuple(one for one in ordered if one.key not in mine)
    model = "" if record is None else record.plan.model
    return Shown(record, tuple(own), others, find_targets(engine, model)[0])


def run_choices(
    shown: Shown, wanted: Callable[[RunRecord], bool] = lambda run: True
) -> list[tuple[str, str]]:
    """Return a label, unlike all others, and the key of every run that is wanted.

    One's own come first, newest first; the others stand in the order of their names.
    """
    labels = dict(zip((run.key for run in shown.all), unique_labels(shown.all), strict=True))
    own = [(f"{labels[run.key]} · {texts.YOURS}", run.key) for run in filter(wanted, shown.own)]
    others = [(labels[run.key], run.key) for run in filter(wanted, shown.landmarks)]
    return own + sorted(others)


def find_clicked(records: Sequence[RunRecord], row: Any) -> RunRecord | None:
    """Return the run that a line of the table of runs stands for.

    The table may have been sorted in the browser: its cells say which run it is, not the number
    of the line.
    """
    cells = [_plain(cell) for cell in row or []]
    for record, line in zip(records, html.run_rows(records), strict=True):
        if [_plain(cell) for cell in line] == cells:
            return record
    return None


def _plain(cell: Any) -> str:
    """A browser says 100 where a table held 100.0, and None or NaN where it was empty."""
    return f"{cell:g}" if isinstance(cell, int | float) else str(cell or "")
