"""Corpus interface: a text with disjoint evaluation and calibration splits."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from compress_lib.data.text_spec import OWN_TEXT, TextSpec
from compress_lib.errors import CompressionError, unknown_name
from compress_lib.utils.registry import Registry

Split = Literal["evaluation", "calibration"]

CORPORA: Registry[Corpus] = Registry("corpus")
"""Every corpus by name; files in this folder register theirs with `@register_corpus`."""

register_corpus = CORPORA.register


class Corpus(ABC):
    """Publicly available text with an evaluation and a calibration split."""

    name: ClassVar[str]
    label: ClassVar[str]
    license: ClassVar[str]
    needs_network: ClassVar[bool] = False

    @abstractmethod
    def read(self, split: Split) -> str:
        """Return the text of a split.

        Raises:
            CompressionError: The text is not available on this machine.
        """


@dataclass(frozen=True)
class Text:
    r"""Text that was read from a corpus, a file or a plan.

    Attributes:
        name: Its corpus or file name.
        content: The text, with newlines as `\\n`.
    """

    name: str
    content: str

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content.encode()).hexdigest()


def read_text(spec: TextSpec, split: Split) -> Text:
    """Read the text that a plan specifies.

    Args:
        spec: Corpus name, path of a text file, or custom text.
        split: Split of the corpus; files and custom texts have only one.

    Raises:
        CompressionError: There is no such corpus or file, or it is empty or not text.
    """
    if spec.corpus == OWN_TEXT:
        return _check("own text", spec.text or "")
    if spec.corpus in CORPORA:
        return Text(spec.corpus, CORPORA[spec.corpus]().read(split))
    path = Path(spec.corpus)
    try:
        path = path.expanduser()
        if path.is_file():
            return _check(path.name, path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise CompressionError(f"{path.name} is not UTF-8 text ({error.reason}).") from error
    # A path such as ~unknown raises a RuntimeError.
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CompressionError(f"{spec.corpus[:80]!r} cannot be read ({reason}).") from error
    if path.suffix or "/" in spec.corpus:
        raise CompressionError(f"There is no text file {spec.corpus!r}.")
    raise unknown_name("corpus", spec.corpus, [*CORPORA, OWN_TEXT])


def _check(name: str, content: str) -> Text:
    """Validate a user's text and normalise its newlines.

    Raises:
        CompressionError: It is empty, or not text.
    """
    content = content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not content.strip():
        raise CompressionError(f"The text of {name} is empty.")
    # Python strings may contain lone surrogates, which cannot be encoded.
    if "\0" in content or any("\ud800" <= character <= "\udfff" for character in content):
        raise CompressionError(f"{name} is not UTF-8 text (it contains invalid characters).")
    return Text(name, content)
