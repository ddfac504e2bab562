"""Arguments shared by several commands: KEY=VALUE options and text selection."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from compress_lib.errors import CompressionError


def add_pairs(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add the repeatable argument `--option KEY=VALUE`.

    Args:
        parser: The parser of a command.
        help_text: The help of the argument.
    """
    parser.add_argument("--option", action="append", metavar="KEY=VALUE", help=help_text)


def read_pairs(given: Iterable[str] | None) -> dict[str, str]:
    """Parse the values of all `--option` arguments.

    Raises:
        CompressionError: A value has no equals sign.
    """
    pairs: dict[str, str] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals:
            raise CompressionError(f"--option must have the form KEY=VALUE, not {text!r}.")
        pairs[key.strip()] = value.strip()
    return pairs


def add_texts(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select evaluation and calibration text."""
    add = parser.add_argument
    add("--eval-text", metavar="CORPUS|FILE", help="evaluation corpus or file")
    add("--calibration-text", metavar="CORPUS|FILE", help="calibration corpus or file")
    add("--tokens", metavar="N", help="evaluation tokens")
    add("--context", metavar="N", help="tokens per block")


def read_evaluation(options: argparse.Namespace) -> dict[str, Any]:
    """Return the given fields of the evaluation `TextSpec`."""
    return drop_unset(corpus=options.eval_text, tokens=options.tokens, context=options.context)


def drop_unset(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
