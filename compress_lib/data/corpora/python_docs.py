"""The language reference that comes with every Python: half its topics for each split."""

from __future__ import annotations

from typing import ClassVar

from compress_lib.data.corpora.base import Corpus, Split, register_corpus

TELLING = 40
"""Two passages with a line in common that has more characters than this are the same text."""


@register_corpus
class PythonDocs(Corpus):
    """Technical prose; its wording depends on the version of Python, so the digest is recorded."""

    name: ClassVar[str] = "python-docs"
    label: ClassVar[str] = "Python's documentation"
    license: ClassVar[str] = "PSF-2.0"

    def read(self, split: Split) -> str:
        """See `Corpus.read`: topics by name, alternating between the splits."""
        from pydoc_data.topics import topics

        texts = [topics[name] for name in sorted(topics)]
        evaluation = "\n\n".join(dict.fromkeys(texts[1::2]))
        if split == "evaluation":
            return evaluation
        # Many topics are chapters of others, so a passage may stand on both sides.
        judged = _telling(evaluation)
        passages = dict.fromkeys("\n\n".join(texts[::2]).split("\n\n"))
        return "\n\n".join(p for p in passages if not _telling(p) & judged)


def _telling(text: str) -> set[str]:
    lines = (line.strip() for line in text.splitlines())
    return {line for line in lines if len(line) > TELLING}
