"""Options that several commands have: KEY=VALUE pairs, and the texts to measure on."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from compress_lib.errors import CompressionError


def add_pairs(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Declare --option, which can be given several times."""
    parser.add_argument("--option", action="append", metavar="KEY=VALUE", help=help_text)


def read_pairs(given: Iterable[str] | None) -> dict[str, str]:
    """Read what stands behind every --option.

    Raises:
        CompressionError: One has no equals sign.
    """
    pairs: dict[str, str] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals:
            raise CompressionError(f"An option is KEY=VALUE, not {text!r}.")
        pairs[key.strip()] = value.strip()
    return pairs


def add_texts(parser: argparse.ArgumentParser) -> None:
    """Declare which texts to measure on and to choose by."""
    add = parser.add_argument
    add("--eval-text", metavar="CORPUS|FILE", help="text to measure on")
    add("--calibration-text", metavar="CORPUS|FILE", help="text to choose by")
    add("--tokens", metavar="N", help="tokens to measure on")
    add("--context", metavar="N", help="tokens in a block")


def read_evaluation(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a `TextSpec` to measure on that were given."""
    return drop_unset(corpus=options.eval_text, tokens=options.tokens, context=options.context)


def drop_unset(**values: Any) -> dict[str, Any]:
    """Return those values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
