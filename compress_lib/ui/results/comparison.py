"""Selection of the runs to compare: the user's choice, or else the last runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compress_lib.data.text_spec import OWN_TEXT
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import MAX_COMPARED
from compress_lib.results.records import RunRecord
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.results.selection import first_record, select_run


def runs_beside(engine: Engine, tray: Any, keys: Any, current: Any) -> list[RunRecord]:
    """Return the runs to compare, at most `MAX_COMPARED`; the first one is the reference.

    Args:
        engine: Finds runs.
        tray: Keys that the user selected. A single run is compared with the shown run. If empty,
            the last runs of the session (oldest first), or else the first landmark, are compared
            with the shown run.
        keys: Keys of the session's runs.
        current: Key of the shown run.
    """
    record = session_runs.lookup(engine, current)
    selected = tray[:MAX_COMPARED] if isinstance(tray, list) else []
    chosen = [run for key in selected if (run := session_runs.lookup(engine, key)) is not None]
    if len(chosen) == 1 and record is not None and record.key != chosen[0].key:
        chosen.append(record)
    if chosen or record is None:
        return chosen
    own = select_run(engine, keys, record).own
    others = [run for run in own if run.key != record.key][: MAX_COMPARED - 1]
    if not others:
        first = first_record()
        measured = session_runs.comparable([first] if first else [], record)
        others = [run for run in measured if run.key != record.key]
    return [*reversed(others), record]


def plans_of(runs: Sequence[RunRecord]) -> list[Plan]:
    """Return the plans of runs that a link can contain; empty if fewer than two remain."""
    # Links contain neither plans that this version cannot run nor custom text.
    plans = [
        run.plan.without_provenance()
        for run in runs
        if run.plan.runnable and run.plan.evaluation.corpus != OWN_TEXT
    ]
    return plans if len(plans) > 1 else []


def is_of(run: RunRecord | None, plan: Plan) -> bool:
    """Return whether a run is that of a plan."""
    return run is not None and run.plan.without_provenance().key == plan.without_provenance().key
