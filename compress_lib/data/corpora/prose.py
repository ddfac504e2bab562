"""Original prose, written for this project so that no model was trained on it."""

from __future__ import annotations

from typing import ClassVar

from compress_lib.data.corpora.base import Corpus, Split, register_corpus
from compress_lib.errors import CompressionError
from compress_lib.utils.paths import ASSETS

FOLDER = ASSETS / "text"


@register_corpus
class Prose(Corpus):
    """Per split: a story, an article, a how-to, news, letters, science and an essay."""

    name: ClassVar[str] = "prose"
    label: ClassVar[str] = "Original prose (several registers)"
    license: ClassVar[str] = "CC0-1.0"

    def read(self, split: Split) -> str:
        """See `Corpus.read`."""
        file = FOLDER / f"prose_{split}.txt"
        if not file.exists():
            raise CompressionError(
                "The corpus prose is read from the repository's assets folder, which this "
                "installation does not include: install with `pip install -e .` from a checkout, "
                "or use the corpus python-docs."
            )
        return file.read_text(encoding="utf-8")
