"""Validation of form input: model names, corpora, numbers, sizes and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compress_lib.data.corpora import CORPORA
from compress_lib.data.text_spec import OWN_TEXT
from compress_lib.errors import CompressionError, check_number
from compress_lib.methods import is_sized
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.models.sources import HUB_ID
from compress_lib.ui.common import texts
from compress_lib.utils.profiles import limits

MAX_OVERRIDES = 100
LONGEST_HUB_ID = 96


def model_name(given: Any) -> str:
    """Return a model name from the form: a catalogue name or a Hub ID.

    Raises:
        CompressionError: It is neither. Local folders and files are rejected, because users of
            the page must not read the server's file system.
    """
    name = str(given or "").strip()
    if name in CATALOGUE or (HUB_ID.fullmatch(name) and not _is_local(name)):
        return name
    raise CompressionError(texts.HUB_FORM.format(given=name))


def _is_local(name: str) -> bool:
    """Return whether a Hub ID would be read as a local folder or file."""
    if len(name) > LONGEST_HUB_ID or ".." in name or name.lower().endswith(".gguf"):
        return True
    return Path(name).exists()


def corpus_name(given: Any, *, own: bool) -> str:
    """Return the name of a corpus from the form.

    Args:
        given: The input.
        own: Whether custom text is allowed.

    Raises:
        CompressionError: The corpus is unknown.
    """
    allowed = [*CORPORA, *([OWN_TEXT] if own else [])]
    if given in allowed:
        return str(given)
    raise CompressionError(texts.NOT_A_CORPUS.format(given=given, allowed=", ".join(allowed)))


def check_limit(name: str, given: Any, limit: str) -> int:
    """Return a whole number from the form within the profile's limit.

    Args:
        name: Label of the field, for error messages.
        given: The input.
        limit: Name of the limit in `profiles.limits`.

    Raises:
        CompressionError: It is not a number, below 1, or above the limit.
    """
    number = int(check_number(name, given, minimum=1))
    most = limits().get(limit)
    if most is not None and number > most:
        raise CompressionError(texts.TOO_MANY.format(name=name, limit=most, given=number))
    return number


def as_share(text: str) -> float | None:
    """Parse `0.5` or `50%` as a share in (0, 1]; None if it is invalid."""
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None
    return share if 0 < share <= 1 else None


def share_of(method: str, keep: Any) -> Any:
    """Return the size kept, which is 1.0 for a method whose options determine its size."""
    return 1.0 if is_sized(method) else keep


def table_rows(table: Any) -> list[list[str]]:
    """Return the non-empty rows of a table component as three text cells each."""
    rows = table.get("data", []) if isinstance(table, dict) else table
    cells = [[("" if cell is None else str(cell).strip()) for cell in row] for row in rows or []]
    return [[*row, "", "", ""][:3] for row in cells if any(row)][:MAX_OVERRIDES]
