"""Which runs are held against each other: those in the tray, or else what was run last."""

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
    """Return the runs to compare, four at most; all are held against the first.

    Args:
        engine: Knows the runs.
        tray: The keys of what somebody chose; a single one has the shown run beside it. Where
            there are none, the last runs of the session take their place, oldest first, or the
            first landmark, and the shown run.
        keys: The session's runs.
        current: The key of the shown run.
    """
    record = session_runs.lookup(engine, current)
    wanted = tray[:MAX_COMPARED] if isinstance(tray, list) else []
    chosen = [run for key in wanted if (run := session_runs.lookup(engine, key)) is not None]
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
    """Return the plans of runs that a link can hold; nothing where one alone is left."""
    # What this version cannot run is in no link, and nor is text of one's own.
    found = [
        run.plan.without_provenance()
        for run in runs
        if run.plan.runnable and run.plan.evaluation.corpus != OWN_TEXT
    ]
    return found if len(found) > 1 else []


def is_of(run: RunRecord | None, plan: Plan) -> bool:
    """Tell whether a run is that of a plan."""
    return run is not None and run.plan.without_provenance().key == plan.without_provenance().key
