"""Every method as it is, and in every storage that it knows: a new one is tried by itself."""

from __future__ import annotations

from compress_lib.methods import METHODS, OptionValue

STORED: list[dict[str, OptionValue]] = [
    {"storage": "pivoted"},
    {"factor_bits": 8},
    {"factor_bits": 4, "factor_group_size": 5},
    {"storage": "pivoted", "factor_bits": 8},
]
"""Ways in which the result of a method may be stored, where it has options that say so."""


def _cases() -> dict[str, tuple[str, dict[str, OptionValue]]]:
    found: dict[str, tuple[str, dict[str, OptionValue]]] = {name: (name, {}) for name in METHODS}
    for name, method in METHODS.items():
        known = {option.name for option in method.options()}
        for options in STORED:
            if known >= options.keys():
                label = ", ".join(f"{key}={value}" for key, value in options.items())
                found[f"{name}, {label}"] = (name, options)
    return found


CASES = _cases()
"""A method and options, by a label; that of a method as it is, is its name."""
