"""Test cases of all methods with default options and with every storage they support."""

from __future__ import annotations

from compress_lib.methods import METHODS, OptionValue

STORED: list[dict[str, OptionValue]] = [
    {"storage": "pivoted"},
    {"factor_bits": 8},
    {"factor_bits": 4, "factor_group_size": 5},
    {"storage": "pivoted", "factor_bits": 8},
]
"""Storage options, tested on each method that has them."""


def _cases() -> dict[str, tuple[str, dict[str, OptionValue]]]:
    cases: dict[str, tuple[str, dict[str, OptionValue]]] = {name: (name, {}) for name in METHODS}
    for name, method in METHODS.items():
        available = {option.name for option in method.options()}
        for options in STORED:
            if available >= options.keys():
                label = ", ".join(f"{key}={value}" for key, value in options.items())
                cases[f"{name}, {label}"] = (name, options)
    return cases


CASES = _cases()
"""Method name and options by label; with default options, the label is the name."""
