"""Runs of a page session: lookup, limits, and which ones can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from compress_lib.results.landmarks import find_landmark
from compress_lib.results.paired import conditions
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import texts
from compress_lib.ui.engine.engine import Engine

if TYPE_CHECKING:
    pass

from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.models.targets import Target
from compress_lib.results.landmarks import landmark_targets

MAX_RUNS = 30
"""Runs that a session remembers."""


KEPT_SECONDS = 24 * 3600
"""How long a session remembers its runs and changes."""


def lookup(engine: Engine, key: object) -> RunRecord | None:
    """Find a run by its key: a landmark, or one of this machine's runs."""
    return engine.runs.find(key) if isinstance(key, str) else None


def describe_source(record: RunRecord) -> str:
    """Say of a run that exists where it comes from.

    A landmark may have been measured on other weights than are loaded here.
    """
    if find_landmark(record.key):
        return texts.SHOWN_PRECOMPUTED.format(source=record.model.source)
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
    return [record for record in records if conditions(record) == conditions(like)]


def find_targets(engine: Engine, model: str) -> tuple[tuple[Target, ...], int]:
    """Return a model's matrices and all its bytes; nothing if it was never seen."""
    targets, whole = landmark_targets()
    if model == DEFAULT_MODEL and targets:
        return targets, whole
    return engine.targets(model)
