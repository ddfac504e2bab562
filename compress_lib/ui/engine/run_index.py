"""The runs that a page knows: landmarks, those it made, and what is measured of those it makes."""

from __future__ import annotations

from typing import Any

from compress_lib.plan.plan import Plan
from compress_lib.results.landmarks import find_landmark
from compress_lib.results.records import RunRecord
from compress_lib.results.store import Store
from compress_lib.runs.events import Evaluated, Event, Finished

MOST_ANSWERS = 1000
"""Plans whose runs are found without asking the model or the texts."""

MOST_MEASURED = 100
"""Runs that are known without what both models write after them."""


class LandmarkStore(Store):
    """Runs of this machine, and the landmarks that came with the page."""

    def find(self, key: str) -> RunRecord | None:
        """Return the run of a key, if there is one."""
        return find_landmark(key) or super().find(key)


class KnownRuns:
    """Finds runs by key and by plan.

    What is measured, but not written for, is none of the store: it can be looked at and compared
    already, and stays where somebody stops the writing; whoever runs the plan again gets all of it.

    Args:
        store: Where finished runs are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._answers: dict[str, str] = {}
        self._measured: dict[str, RunRecord] = {}

    def find(self, key: str) -> RunRecord | None:
        """Return the run of a key, as far as it is known."""
        return self.store.find(key) or self._measured.get(key)

    def ran(self, plan: Plan) -> RunRecord | None:
        """Return the run that answers a plan, as far as this page made it."""
        key = self._answers.get(plan.key)
        return self.find(key) if key is not None else None

    def note(self, plan: Plan, event: Event) -> None:
        """Remember what an event tells of a plan's run."""
        if isinstance(event, Evaluated):
            _remember(self._measured, event.record.key, event.record, MOST_MEASURED)
        if isinstance(event, Finished):
            self._measured.pop(event.record.key, None)
        if isinstance(event, Evaluated | Finished):
            _remember(self._answers, plan.key, event.record.key, MOST_ANSWERS)


def _remember(known: dict[str, Any], key: str, value: Any, most: int) -> None:
    """Put something among what is known; where there is too much, the oldest goes."""
    known.pop(key, None)
    known[key] = value
    while len(known) > most:
        known.pop(next(iter(known)), None)
