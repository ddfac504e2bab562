"""Python language reference, shipped with every Python: half of its topics per split."""

from __future__ import annotations

from typing import ClassVar

from compress_lib.data.corpora.base import Corpus, Split, register_corpus

MIN_SHARED = 40
"""Two passages that share a line longer than this many characters count as duplicates."""


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
        # Some topics are chapters of others, so a passage may occur in both splits.
        evaluated = _long_lines(evaluation)
        passages = dict.fromkeys("\n\n".join(texts[::2]).split("\n\n"))
        return "\n\n".join(p for p in passages if not _long_lines(p) & evaluated)


def _long_lines(text: str) -> set[str]:
    lines = (line.strip() for line in text.splitlines())
    return {line for line in lines if len(line) > MIN_SHARED}
