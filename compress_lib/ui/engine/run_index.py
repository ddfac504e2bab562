"""Run index: landmarks, stored runs, and measured runs that are not complete yet."""

from __future__ import annotations

from cachetools import LRUCache

from compress_lib.plan.plan import Plan
from compress_lib.results.landmarks import find_landmark
from compress_lib.results.records import RunRecord
from compress_lib.results.store import Store
from compress_lib.runs.events import EvaluationFinished, RunFinished
from compress_lib.utils.progress import Event

MOST_ANSWERS = 1000
"""Number of plans whose runs are found by plan key, without loading models or texts."""

MOST_MEASURED = 100
"""Number of measured runs kept without their generated texts."""


class LandmarkStore(Store):
    """Store that also finds the bundled landmarks."""

    def find(self, key: str) -> RunRecord | None:
        """Return the landmark or stored run of a key, or None."""
        return find_landmark(key) or super().find(key)


class RunIndex:
    """Index of runs by key and by plan.

    Runs that are measured but have no generated texts yet are kept in memory, not in the store:
    they can be shown and compared, also after text generation was stopped. Running their plan
    again completes them.

    Args:
        store: Database of complete runs.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._answers: LRUCache[str, str] = LRUCache(MOST_ANSWERS)
        self._measured: LRUCache[str, RunRecord] = LRUCache(MOST_MEASURED)

    def find(self, key: str) -> RunRecord | None:
        """Return the stored or measured run of a key, or None."""
        return self.store.find(key) or self._measured.get(key)

    def find_by_plan(self, plan: Plan) -> RunRecord | None:
        """Return the run of a plan if this engine has measured it, or None."""
        key = self._answers.get(plan.key)
        return self.find(key) if key is not None else None

    def record(self, plan: Plan, event: Event) -> None:
        """Add the run of an event to the index."""
        if isinstance(event, EvaluationFinished):
            self._measured[event.record.key] = event.record
        if isinstance(event, RunFinished):
            self._measured.pop(event.record.key, None)
        if isinstance(event, EvaluationFinished | RunFinished):
            self._answers[plan.key] = event.record.key
