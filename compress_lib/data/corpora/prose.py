"""Prose written for this project, so that no model has seen it in training."""

from __future__ import annotations

from typing import ClassVar

from compress_lib.data.corpora.base import Corpus, Split, register_corpus
from compress_lib.errors import CompressionError
from compress_lib.utils.paths import ASSETS

FOLDER = ASSETS / "text"


@register_corpus
class Prose(Corpus):
    """A story, an article, a how-to, news, letters, science, an essay: twice, by split."""

    name: ClassVar[str] = "prose"
    label: ClassVar[str] = "Original prose (several registers)"
    license: ClassVar[str] = "CC0-1.0"

    def read(self, split: Split) -> str:
        """See `Corpus.read`."""
        file = FOLDER / f"prose_{split}.txt"
        if not file.exists():
            raise CompressionError(
                "The project's own prose lies in the folder assets of its repository, which this "
                "installation lacks: install with `pip install -e .` from a checkout, or use the "
                "corpus python-docs."
            )
        return file.read_text(encoding="utf-8")
