"""What stood in a form before, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field

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

    def seen(self, state: str) -> History:
        """Return the history after a change; none if nothing changed."""
        if self.past and self.past[-1] == state:
            return self
        return History((*self.past, state)[-MOST_STATES:])

    def undone(self) -> History:
        """Return the history one step back, as far as there is one."""
        if len(self.past) < 2:
            return self
        return History(self.past[:-1], (*self.future, self.past[-1]))

    def redone(self) -> History:
        """Return the history one step forward again, as far as there is one."""
        if not self.future:
            return self
        return History((*self.past, self.future[-1]), self.future[:-1])

    @property
    def now(self) -> str | None:
        """What stands in the form."""
        return self.past[-1] if self.past else None
