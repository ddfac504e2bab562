"""Options that a class declares: what a form, a command line and a check need to know of them.

Methods and studies declare theirs alike, as fields of a dataclass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from compress_lib.errors import CompressionError, check_integer, check_number, unknown_name

OptionValue = str | int | float | bool


@dataclass(frozen=True)
class Option:
    """What a form, a command line and a check need to know of one option."""

    name: str
    label: str
    help: str
    default: OptionValue
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | None = None

    def coerce(self, value: object) -> OptionValue:
        """Return `value` in this option's type.

        Raises:
            CompressionError: It has another type, or is out of range.
        """
        title = f"The option {self.name}"
        if isinstance(self.default, bool):
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            if str(value).lower() not in words:
                raise CompressionError(f"{title} must be true or false, not {value!r}.")
            return words[str(value).lower()]
        if isinstance(self.default, int):
            low = None if self.minimum is None else int(self.minimum)
            high = None if self.maximum is None else int(self.maximum)
            return check_integer(title, value, minimum=low, maximum=high)
        if isinstance(self.default, float):
            return check_number(title, value, minimum=self.minimum, maximum=self.maximum)
        if self.choices is not None and value not in self.choices:
            raise unknown_name(f"value of the option {self.name}", str(value), self.choices)
        return str(value)


def option(
    default: OptionValue,
    label: str,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """Declare an option of a method as a dataclass field."""
    details = {
        "label": label,
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
    }
    return field(default=default, metadata=details)


def declared_options(cls: type) -> tuple[Option, ...]:
    """Return the options of a dataclass whose fields were made by `option`."""
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls)
    return tuple(
        Option(name=f.name, default=f.default, **f.metadata)  # type: ignore[arg-type]
        for f in fields
    )


class HasOptions(Protocol):
    """A class with a name and declared options: a method or a study."""

    name: ClassVar[str]

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options in the order in which they are declared."""


def coerce_options(made: type[HasOptions], options: Mapping[str, object]) -> dict[str, OptionValue]:
    """Return options in their own types.

    Raises:
        CompressionError: One is unknown, or a value is out of range.
    """
    known = {declared.name: declared for declared in made.options()}
    for given in options:
        if given not in known:
            if not known:
                raise CompressionError(f"{made.name} has no options, so {given!r} cannot be set.")
            raise unknown_name(f"option of {made.name}", given, known)
    return {key: known[key].coerce(value) for key, value in options.items()}
