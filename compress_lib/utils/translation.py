"""Translation table for texts of charts and metrics that are shown on the page."""

from __future__ import annotations

from collections.abc import Mapping

_words: dict[str, str] = {}


def set_translations(words: Mapping[str, str]) -> None:
    """Replace the translation table; texts without an entry stay in English.

    Args:
        words: Translations by English text.
    """
    _words.clear()
    _words.update(words)


def translate(english: str) -> str:
    """Return the translation of an English text, or the text itself if it has none."""
    return _words.get(english, english)
