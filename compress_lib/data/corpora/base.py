"""What a corpus is: a text in two parts that never mix, one to choose by and one to judge by."""

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
"""Every corpus by its name; a file in this folder adds itself with `@register_corpus`."""

register_corpus = CORPORA.register


class Corpus(ABC):
    """A text that everyone can get."""

    name: ClassVar[str]
    label: ClassVar[str]
    license: ClassVar[str]
    needs_network: ClassVar[bool] = False

    @abstractmethod
    def read(self, split: Split) -> str:
        """Return the text of a split.

        Raises:
            CompressionError: It cannot be had here.
        """


@dataclass(frozen=True)
class Text:
    r"""A text that was read.

    Attributes:
        name: Its corpus, or the name of its file.
        content: The text, with newlines as `\\n`.
    """

    name: str
    content: str

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content.encode()).hexdigest()


def read_text(spec: TextSpec, split: Split) -> Text:
    """Read the text that a plan names.

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
    # A `~` that stands for nobody is a RuntimeError.
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CompressionError(f"{spec.corpus[:80]!r} cannot be read ({reason}).") from error
    if path.suffix or "/" in spec.corpus:
        raise CompressionError(f"There is no text file {spec.corpus!r}.")
    raise unknown_name("corpus", spec.corpus, [*CORPORA, OWN_TEXT])


def _check(name: str, content: str) -> Text:
    """Return a text from outside, however its newlines are written.

    Raises:
        CompressionError: It is empty, or not text.
    """
    content = content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not content.strip():
        raise CompressionError(f"The text of {name} is empty.")
    # Half a UTF-16 character passes for one in Python, until it must be written.
    if "\0" in content or any("\ud800" <= character <= "\udfff" for character in content):
        raise CompressionError(f"{name} is not UTF-8 text (not all of it is characters).")
    return Text(name, content)
