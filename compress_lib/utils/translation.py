"""Words that charts and metrics share with the page, which may speak another language."""

from __future__ import annotations

from collections.abc import Mapping

_words: dict[str, str] = {}


def set_translations(words: Mapping[str, str]) -> None:
    """Say everything in other words from now on; what is not among them stays English.

    Args:
        words: By what is said in English.
    """
    _words.clear()
    _words.update(words)


def translate(english: str) -> str:
    """Return words in the language that was chosen."""
    return _words.get(english, english)
