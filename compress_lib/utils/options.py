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
    formerly: str | None = None
    """Its name in version 0.1.0, where that was another one."""

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
    formerly: str | None = None,
) -> Any:
    """Declare an option of a method as a dataclass field.

    Args:
        default: Its default value, which also decides its type.
        label: Shown in the form.
        help: Shown as a tooltip.
        minimum: The smallest value allowed.
        maximum: The largest value allowed.
        choices: The values allowed.
        formerly: Its name in version 0.1.0; it is still read, see `modernize`.
    """
    details = {
        "label": label,
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "formerly": formerly,
    }
    return field(default=default, metadata=details)


def declared_options(cls: type) -> tuple[Option, ...]:
    """Return the options of a dataclass whose fields were made by `option`."""
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls)
    return tuple(
        Option(name=f.name, default=f.default, **f.metadata)  # type: ignore[arg-type]
        for f in fields
    )


FormerOptions = Mapping[str, Mapping[OptionValue, Mapping[str, OptionValue]]]
"""Options of version 0.1.0 by name: what each of their values is called today."""


class HasOptions(Protocol):
    """A class with a name and declared options: a method or a study."""

    name: ClassVar[str]

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options in the order in which they are declared."""


def former_options(cls: type) -> FormerOptions:
    """Return the options of version 0.1.0 that a class has replaced by others."""
    found: FormerOptions = getattr(cls, "former_options", {})
    return found


def modernize(cls: type[HasOptions], options: Mapping[str, object]) -> dict[str, object]:
    """Translate option names and values of version 0.1.0 into today's.

    Raises:
        CompressionError: A former value is unknown, or an option is given by both names.
    """
    renamed = {one.formerly: one.name for one in cls.options() if one.formerly}
    replaced = former_options(cls)
    found: dict[str, object] = {}
    for name, value in options.items():
        new: Mapping[str, object] = {renamed.get(name, name): value}
        if name in replaced:
            meanings = {str(former): today for former, today in replaced[name].items()}
            if str(value) not in meanings:
                raise unknown_name(f"value of the option {name}", str(value), meanings)
            new = meanings[str(value)]
        for key, given in new.items():
            if key in found and str(found[key]) != str(given):
                names = " and ".join(one for one in options if renamed.get(one, one) == key)
                raise CompressionError(
                    f"The option {key} is given twice, as {names or f'{key} and {name}'}. "
                    "Give it once, by its name of today."
                )
            found[key] = given
    return found


def former_values(configured: Any) -> dict[str, OptionValue]:
    """Return all option values by the names of version 0.1.0, which keys and caches are made of.

    A combination that version 0.1.0 did not know keeps today's names.
    """
    options: tuple[Option, ...] = configured.options()
    found = {one.name: getattr(configured, one.name) for one in options}
    values = {one.formerly or one.name: found[one.name] for one in options}
    for former, meanings in former_options(type(configured)).items():
        for value, today in meanings.items():
            if all(values.get(name) == meant for name, meant in today.items()):
                values = {name: v for name, v in values.items() if name not in today}
                values[former] = value
                break
    return values


def coerce_options(made: type[HasOptions], options: Mapping[str, object]) -> dict[str, OptionValue]:
    """Return options in their own types, by today's names.

    Raises:
        CompressionError: One is unknown, or a value is out of range.
    """
    known = {declared.name: declared for declared in made.options()}
    current = modernize(made, options)
    for given in current:
        if given not in known:
            if not known:
                raise CompressionError(f"{made.name} has no options, so {given!r} cannot be set.")
            raise unknown_name(f"option of {made.name}", given, known)
    return {key: known[key].coerce(value) for key, value in current.items()}
