"""The language reference that comes with every Python: half its topics for each split."""

from __future__ import annotations

from typing import ClassVar

from compress_lib.corpora.base import Corpus, Split, register_corpus


@register_corpus
class PythonDocs(Corpus):
    """Technical prose; its wording depends on the version of Python, so the digest is recorded."""

    name: ClassVar[str] = "python-docs"
    label: ClassVar[str] = "Python's documentation"
    license: ClassVar[str] = "PSF-2.0"

    def read(self, split: Split) -> str:
        """See `Corpus.read`: topics by name, alternating between the splits."""
        from pydoc_data.topics import topics

        first = 1 if split == "evaluation" else 0
        seen: set[str] = set()
        chosen: list[str] = []
        # Some topics stand under two names; a text belongs to the split of its first name.
        for position, name in enumerate(sorted(topics)):
            if topics[name] not in seen and position % 2 == first:
                chosen.append(topics[name])
            seen.add(topics[name])
        return "\n\n".join(chosen)
