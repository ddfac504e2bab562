"""Selection of the shown run and of the runs comparable with it."""

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
    """The shown run with the runs that are comparable with it.

    Attributes:
        record: The shown run; None if there is none.
        own: Runs of the session, newest first.
        landmarks: Precomputed runs by perplexity, without those in `own`.
        targets: All compressible weights of the model; empty if unknown.
    """

    record: RunRecord | None
    own: tuple[RunRecord, ...] = ()
    landmarks: tuple[RunRecord, ...] = ()
    targets: tuple[Target, ...] = ()

    @property
    def all(self) -> tuple[RunRecord, ...]:
        """The session's runs, followed by the landmarks."""
        return (*self.own, *self.landmarks)

    @property
    def mine(self) -> bool:
        """Whether the shown run belongs to the session."""
        return self.record is not None and self.record.key in {r.key for r in self.own}


def first_record() -> RunRecord | None:
    """Return the landmark that a new page shows: that of the default plan, else the first."""
    return landmark_of(Plan()) or next(iter(load_landmarks()), None)


def select_run(engine: Engine, keys: Any, record: RunRecord | None) -> Shown:
    """Return a run together with the runs that are comparable with it.

    Args:
        engine: Finds runs.
        keys: Keys of the session's runs, unvalidated.
        record: The run; if None, all runs are included.
    """
    own = session_runs.comparable(session_runs.own_runs(engine, keys), record)
    own_keys = {one.key for one in own}
    landmarks = session_runs.comparable(load_landmarks(), record)
    ordered = sorted(landmarks, key=lambda one: one.perplexity.compressed)
    others = tuple(one for one in ordered if one.key not in own_keys)
    model = "" if record is None else record.plan.model
    return Shown(record, tuple(own), others, find_targets(engine, model)[0])


def run_choices(
    shown: Shown, wanted: Callable[[RunRecord], bool] = lambda run: True
) -> list[tuple[str, str]]:
    """Return unique labels and keys of runs for a menu.

    The session's runs come first, newest first; landmarks follow in alphabetical order.

    Args:
        shown: The runs.
        wanted: Filter.
    """
    labels = dict(zip((run.key for run in shown.all), unique_labels(shown.all), strict=True))
    own = [(f"{labels[run.key]} · {texts.YOURS}", run.key) for run in filter(wanted, shown.own)]
    others = [(labels[run.key], run.key) for run in filter(wanted, shown.landmarks)]
    return own + sorted(others)


def find_clicked(records: Sequence[RunRecord], row: Any) -> RunRecord | None:
    """Return the run of a row of the table of runs, or None.

    Runs are matched by the cells of the row, because the table may be sorted in the browser.

    Args:
        records: The runs in the table.
        row: The cells of the row.
    """
    cells = [_plain(cell) for cell in row or []]
    for record, known in zip(records, html.run_rows(records), strict=True):
        if [_plain(cell) for cell in known] == cells:
            return record
    return None


def _plain(cell: Any) -> str:
    """Normalize a cell: browsers return 100 for 100.0, and None or NaN for empty cells."""
    return f"{cell:g}" if isinstance(cell, int | float) else str(cell or "")
