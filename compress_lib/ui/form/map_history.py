"""Undo/redo history of a plan's rules, as stored in a session."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from compress_lib.plan.plan import Plan
from compress_lib.ui.form import binding


def state_of(plan: Plan) -> str:
    """Return a plan's rules as canonical JSON: equal for plans that the form shows alike."""
    shown, _ = binding.round_trip(plan)
    return json.dumps(shown.to_json()["rules"], sort_keys=True)


def history_of(value: Any) -> History:
    """Return the history from the JSON value in a session."""
    given = value if isinstance(value, dict) else {}
    return History(tuple(given.get("past", ())), tuple(given.get("future", ())))


def goes_back(history: History, plan: Plan) -> bool:
    """Return whether there is a change to undo, including edits since the last recorded state."""
    return len(history.past) > 1 or (bool(history.past) and history.now != state_of(plan))


MOST_STATES = 100
"""Maximum number of states in a session; the oldest are dropped."""


@dataclass(frozen=True)
class History:
    """Immutable undo/redo history of a form.

    Attributes:
        past: The states, oldest first; the last one is the current state.
        future: The undone states; the last one is redone next.
    """

    past: tuple[str, ...] = ()
    future: tuple[str, ...] = field(default=())

    def record(self, state: str) -> History:
        """Return the history with a new state; unchanged if the state is the current one."""
        if self.past and self.past[-1] == state:
            return self
        return History((*self.past, state)[-MOST_STATES:])

    def undo(self) -> History:
        """Return the history one step back; unchanged if there is nothing to undo."""
        if len(self.past) < 2:
            return self
        return History(self.past[:-1], (*self.future, self.past[-1]))

    def redo(self) -> History:
        """Return the history one step forward; unchanged if there is nothing to redo."""
        if not self.future:
            return self
        return History((*self.past, self.future[-1]), self.future[:-1])

    @property
    def now(self) -> str | None:
        """The current state, or None."""
        return self.past[-1] if self.past else None
