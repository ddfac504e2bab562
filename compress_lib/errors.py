"""Exceptions shown to users, and validators that raise them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CompressionError(Exception):
    """Base class of user errors; the message names the input, the cause and what is allowed."""


class ModelUnavailableError(CompressionError):
    """No source could provide the model's weights.

    Args:
        fact: The missing weights, and the cause.
        advice: Remedy for a user with access to this machine's files and network.
    """

    def __init__(self, fact: str, advice: str = "") -> None:
        super().__init__(f"{fact} {advice}".strip())
        self.fact = fact
        self.advice = advice


class BudgetError(CompressionError):
    """The byte budget is below the smallest size that a method can store."""


class NotFiniteError(CompressionError):
    """A model's predictions are not finite, so it cannot be evaluated."""


class StoppedError(Exception):
    """Cancellation by the user: not a failure; partial results are discarded."""


def unknown_name(
    kind: str, given: str, allowed: Iterable[str], *, listed: str | None = None
) -> CompressionError:
    """Build the error for a name that is not in `allowed`.

    Args:
        kind: Kind of thing named, e.g. "method".
        given: The invalid name.
        allowed: All valid names.
        listed: Replacement text for the list of valid names, if there are too many to print.

    Returns:
        An error with the invalid name, the nearest valid name, and all valid names.
    """
    names = list(allowed)
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return CompressionError(
        f"Unknown {kind} {given!r}.{hint} Allowed: {listed or ', '.join(names)}."
    )


def check_number(
    name: str, value: object, *, minimum: float | None = None, maximum: float | None = None
) -> float:
    """Return `value` as a finite float, checked against its bounds.

    Args:
        name: Name of the value in the error message.
        value: Anything that `float` accepts.
        minimum: Smallest allowed value.
        maximum: Largest allowed value.

    Raises:
        CompressionError: The value is not a number, not finite or out of bounds.
    """
    bounds = _bounds(minimum, maximum)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise CompressionError(f"{name} must be a number{bounds}, not {value!r}.") from None
    below = minimum is not None and number < minimum
    above = maximum is not None and number > maximum
    if number != number or number in (float("inf"), float("-inf")) or below or above:
        raise CompressionError(f"{name} must be a number{bounds}, not {value}.")
    return number


def check_integer(
    name: str, value: object, *, minimum: int | None = None, maximum: int | None = None
) -> int:
    """Return `value` as an integer, checked against its bounds.

    Args:
        name: Name of the value in the error message.
        value: Anything that `float` accepts.
        minimum: Smallest allowed value.
        maximum: Largest allowed value.

    Raises:
        CompressionError: The value is not a whole number or out of bounds.
    """
    number = check_number(name, value, minimum=minimum, maximum=maximum)
    if number != int(number):
        raise CompressionError(f"{name} must be a whole number, not {value}.")
    return int(number)


def _bounds(minimum: float | None, maximum: float | None) -> str:
    low, high = (
        # Print large integers with all their digits; `:g` would round them.
        f"{bound:,}" if isinstance(bound, int) and abs(bound) >= 10**4 else f"{bound:g}"
        for bound in (minimum or 0, maximum or 0)
    )
    if minimum is not None and maximum is not None:
        return f" from {low} to {high}"
    if minimum is not None:
        return f" of at least {low}"
    return f" of at most {high}" if maximum is not None else ""


def reason_of(error: BaseException) -> str:
    """Return the first line of another library's error, or two if the first ends with a colon."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
