"""The runs that a page knows: landmarks, those it made, and what is measured of those it makes."""

from __future__ import annotations

from cachetools import LRUCache

from compress_lib.plan.plan import Plan
from compress_lib.results.landmarks import find_landmark
from compress_lib.results.records import RunRecord
from compress_lib.results.store import Store
from compress_lib.runs.events import EvaluationFinished, RunFinished
from compress_lib.utils.progress import Event

MOST_ANSWERS = 1000
"""Plans whose runs are found without asking the model or the texts."""

MOST_MEASURED = 100
"""Runs that are known without what both models write after them."""


class LandmarkStore(Store):
    """Runs of this machine, and the landmarks that came with the page."""

    def find(self, key: str) -> RunRecord | None:
        """Return the run of a key, if there is one."""
        return find_landmark(key) or super().find(key)


class RunIndex:
    """Finds runs by key and by plan.

    What is measured, but not written for, is none of the store: it can be looked at and compared
    already, and stays where somebody stops the writing; whoever runs the plan again gets all of it.

    Args:
        store: Where finished runs are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._answers: LRUCache[str, str] = LRUCache(MOST_ANSWERS)
        self._measured: LRUCache[str, RunRecord] = LRUCache(MOST_MEASURED)

    def find(self, key: str) -> RunRecord | None:
        """Return the run of a key, as far as it is known."""
        return self.store.find(key) or self._measured.get(key)

    def find_by_plan(self, plan: Plan) -> RunRecord | None:
        """Return the run that answers a plan, as far as this page made it."""
        key = self._answers.get(plan.key)
        return self.find(key) if key is not None else None

    def record(self, plan: Plan, event: Event) -> None:
        """Index what an event says about a plan's run."""
        if isinstance(event, EvaluationFinished):
            self._measured[event.record.key] = event.record
        if isinstance(event, RunFinished):
            self._measured.pop(event.record.key, None)
        if isinstance(event, EvaluationFinished | RunFinished):
            self._answers[plan.key] = event.record.key
