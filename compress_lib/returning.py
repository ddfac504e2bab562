"""Generators that return something: what they yield in a loop, and what they return after it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Returning(Generic[T, R]):
    """Yields what a generator yields; at its end, `value` is what it returned.

    Args:
        steps: The generator.
    """

    value: R

    def __init__(self, steps: Generator[T, None, R]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[T]:
        """Go through it, once."""
        self.value = yield from self._steps
