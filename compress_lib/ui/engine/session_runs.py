"""Runs of a page session: lookup, limits and comparability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.models.targets import Target
from compress_lib.results.landmarks import find_landmark, landmark_targets
from compress_lib.results.paired import conditions
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import texts
from compress_lib.ui.engine.engine import Engine

MAX_RUNS = 30
"""Maximum number of runs in a session."""

KEPT_SECONDS = 24 * 3600
"""Lifetime of session state in seconds."""


def lookup(engine: Engine, key: object) -> RunRecord | None:
    """Return the run of a key, a landmark or a run of this server, or None."""
    return engine.runs.find(key) if isinstance(key, str) else None


def describe_source(record: RunRecord) -> str:
    """Return a sentence on the origin of an existing run.

    For a landmark it names the weights, which may differ from those loaded here.
    """
    if find_landmark(record.key):
        return texts.SHOWN_PRECOMPUTED.format(source=record.model.source)
    return texts.STORED


def with_run(keys: Any, record: RunRecord) -> list[str]:
    """Return a session's keys with a run first, truncated to the newest `MAX_RUNS`."""
    previous = keys if isinstance(keys, list) else []
    return [record.key, *(key for key in previous if key != record.key)][:MAX_RUNS]


def own_runs(engine: Engine, keys: Any) -> list[RunRecord]:
    """Return a session's runs without landmarks, newest first."""
    recent = keys[:MAX_RUNS] if isinstance(keys, list) else []
    records = (lookup(engine, key) for key in recent)
    return [record for record in records if record and not find_landmark(record.key)]


def comparable(records: Sequence[RunRecord], like: RunRecord | None) -> list[RunRecord]:
    """Return the runs that were measured under the same conditions as another; all for None."""
    if like is None:
        return list(records)
    return [record for record in records if conditions(record) == conditions(like)]


def find_targets(engine: Engine, model: str) -> tuple[tuple[Target, ...], int]:
    """Return the matrices and total bytes of a model; `((), 0)` if it was never loaded."""
    targets, total = landmark_targets()
    if model == DEFAULT_MODEL and targets:
        return targets, total
    return engine.targets(model)
