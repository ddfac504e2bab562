"""Every error that a person can cause, each one clear sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CompressionError(Exception):
    """Something asked for is not possible; the message says what, why and what is allowed."""


class ModelUnavailableError(CompressionError):
    """No source could provide the model's weights.

    Args:
        fact: What is missing, and why.
        advice: What whoever has this machine's files and its network can do.
    """

    def __init__(self, fact: str, advice: str = "") -> None:
        super().__init__(f"{fact} {advice}".strip())
        self.fact = fact
        self.advice = advice


class BudgetError(CompressionError):
    """The bytes allowed are too few for the smallest thing a method can store."""


class NotFiniteError(CompressionError):
    """A model's predictions are not finite, so that nothing can be measured on it."""


class StoppedError(Exception):
    """The person stopped the work: not a failure, and nothing half-done is kept."""


def unknown_name(
    kind: str, given: str, allowed: Iterable[str], *, listed: str | None = None
) -> CompressionError:
    """Build the error for a name that is not one of `allowed`.

    Args:
        kind: What the name stands for, e.g. "method".
        given: The name as it was given.
        allowed: All valid names.
        listed: What to write in place of all valid names, where they are too many.

    Returns:
        An error that names what was given, the nearest valid name, and all valid names.
    """
    names = list(allowed)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return CompressionError(
        f"Unknown {kind} {given!r}.{hint} Allowed: {listed or ', '.join(names)}."
    )


def check_number(
    name: str, value: object, *, minimum: float | None = None, maximum: float | None = None
) -> float:
    """Return `value` as a finite number within its bounds.

    Raises:
        CompressionError: It is not a number, not finite or out of bounds.
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
    """Return `value` as a whole number within its bounds.

    Raises:
        CompressionError: It is not a whole number or out of bounds.
    """
    number = check_number(name, value, minimum=minimum, maximum=maximum)
    if number != int(number):
        raise CompressionError(f"{name} must be a whole number, not {value}.")
    return int(number)


def _bounds(minimum: float | None, maximum: float | None) -> str:
    least, most = (
        # Whole numbers have all their digits.
        f"{end:,}" if isinstance(end, int) and abs(end) >= 10**4 else f"{end:g}"
        for end in (minimum or 0, maximum or 0)
    )
    if minimum is not None and maximum is not None:
        return f" from {least} to {most}"
    if minimum is not None:
        return f" of at least {least}"
    return f" of at most {most}" if maximum is not None else ""


def reason_of(error: BaseException) -> str:
    """Return what another library's error says, without its further lines."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
