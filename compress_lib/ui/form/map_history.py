"""What was done to a plan on the map, as a session holds it: to be taken back, and made again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from compress_lib.plan.plan import Plan
from compress_lib.ui.form import binding


def state_of(plan: Plan) -> str:
    """Return a plan's rules as a history keeps them, the same for all that the form shows alike."""
    shown, _ = binding.round_trip(plan)
    return json.dumps(shown.to_json()["rules"], sort_keys=True)


def history_of(value: Any) -> History:
    """Return the history that a session holds as JSON."""
    given = value if isinstance(value, dict) else {}
    return History(tuple(given.get("past", ())), tuple(given.get("future", ())))


def goes_back(history: History, plan: Plan) -> bool:
    """Tell whether there is a step to take back; what was typed since the last one is a step."""
    return len(history.past) > 1 or (bool(history.past) and history.now != state_of(plan))


MOST_STATES = 100
"""Kept in a session; older ones are forgotten."""


@dataclass(frozen=True)
class History:
    """What stood in a form before, and what was taken back.

    Attributes:
        past: The states, oldest first; the last one is what stands there now.
        future: What was taken back, the next one last.
    """

    past: tuple[str, ...] = ()
    future: tuple[str, ...] = field(default=())

    def record(self, state: str) -> History:
        """Return the history after a change; none if nothing changed."""
        if self.past and self.past[-1] == state:
            return self
        return History((*self.past, state)[-MOST_STATES:])

    def undo(self) -> History:
        """Return the history one step back, as far as there is one."""
        if len(self.past) < 2:
            return self
        return History(self.past[:-1], (*self.future, self.past[-1]))

    def redo(self) -> History:
        """Return the history one step forward again, as far as there is one."""
        if not self.future:
            return self
        return History((*self.past, self.future[-1]), self.future[:-1])

    @property
    def now(self) -> str | None:
        """What stands in the form."""
        return self.past[-1] if self.past else None
