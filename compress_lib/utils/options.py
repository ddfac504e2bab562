"""Declarative options of methods and studies, declared as dataclass fields.

Forms, the command line and validation all read the same declarations.
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
    """One declared option: name, label, help, default and allowed values."""

    name: str
    label: str
    help: str
    default: OptionValue
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | None = None
    formerly: str | None = None
    """The option's name in version 0.1.0, if it was renamed since."""

    def coerce(self, value: object) -> OptionValue:
        """Return `value` converted to this option's type.

        Raises:
            CompressionError: The value has the wrong type or is out of range.
        """
        title = f"The option {self.name}"
        if isinstance(self.default, bool):
            parsed = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            if str(value).lower() not in parsed:
                raise CompressionError(f"{title} must be true or false, not {value!r}.")
            return parsed[str(value).lower()]
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
    """Declare an option of a method or study as a dataclass field.

    Args:
        default: Default value, which also determines the type.
        label: Label in the form.
        help: Tooltip in the form.
        minimum: Smallest allowed value.
        maximum: Largest allowed value.
        choices: Allowed values.
        formerly: Name in version 0.1.0, which is still accepted; see `modernize`.
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
    """Return the options of a dataclass whose fields were declared with `option`."""
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls)
    return tuple(
        Option(name=f.name, default=f.default, **f.metadata)  # type: ignore[arg-type]
        for f in fields
    )


FormerOptions = Mapping[str, Mapping[OptionValue, Mapping[str, OptionValue]]]
"""Maps each replaced option of version 0.1.0, and each of its values, to current options."""


class HasOptions(Protocol):
    """A class with a name and declared options: a method or a study."""

    name: ClassVar[str]

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """Return the options in declaration order."""


def former_options(cls: type) -> FormerOptions:
    """Return the options of version 0.1.0 that a class has since replaced."""
    replaced: FormerOptions = getattr(cls, "former_options", {})
    return replaced


def modernize(cls: type[HasOptions], options: Mapping[str, object]) -> dict[str, object]:
    """Translate option names and values of version 0.1.0 to the current ones.

    Args:
        cls: The method or study.
        options: Values by current or former name.

    Raises:
        CompressionError: A former value is unknown, or an option is given under both names with
            different values.
    """
    renamed = {one.formerly: one.name for one in cls.options() if one.formerly}
    replaced = former_options(cls)
    current: dict[str, object] = {}
    for name, value in options.items():
        translated: Mapping[str, object] = {renamed.get(name, name): value}
        if name in replaced:
            meanings = {str(former): new for former, new in replaced[name].items()}
            if str(value) not in meanings:
                raise unknown_name(f"value of the option {name}", str(value), meanings)
            translated = meanings[str(value)]
        for key, given in translated.items():
            if key in current and str(current[key]) != str(given):
                names = " and ".join(one for one in options if renamed.get(one, one) == key)
                raise CompressionError(
                    f"The option {key} is given twice, as {names or f'{key} and {name}'}. "
                    "Use only the current name."
                )
            current[key] = given
    return current


def former_values(configured: Any) -> dict[str, OptionValue]:
    """Return all option values under the names of version 0.1.0, which run and cache keys use.

    Combinations that version 0.1.0 could not express keep the current names.
    """
    options: tuple[Option, ...] = configured.options()
    values = {one.formerly or one.name: getattr(configured, one.name) for one in options}
    for former, meanings in former_options(type(configured)).items():
        for value, current in meanings.items():
            if all(values.get(name) == expected for name, expected in current.items()):
                values = {name: v for name, v in values.items() if name not in current}
                values[former] = value
                break
    return values


def coerce_options(cls: type[HasOptions], options: Mapping[str, object]) -> dict[str, OptionValue]:
    """Return options converted to their declared types, under their current names.

    Args:
        cls: The method or study.
        options: Values by current or former name.

    Raises:
        CompressionError: An option is unknown, or a value is out of range.
    """
    declared = {option.name: option for option in cls.options()}
    current = modernize(cls, options)
    for name in current:
        if name not in declared:
            if not declared:
                raise CompressionError(f"{cls.name} has no options, so {name!r} cannot be set.")
            raise unknown_name(f"option of {cls.name}", name, declared)
    return {name: declared[name].coerce(value) for name, value in current.items()}
