"""What a person typed or chose, checked one by one: names, numbers, shares and tables."""

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
    """Return the name of a model that a person chose: of the catalogue, or a Hub id.

    Raises:
        CompressionError: It is neither; folders of this machine are nobody's business.
    """
    name = str(given or "").strip()
    if name in CATALOGUE or (HUB_ID.fullmatch(name) and not _is_local(name)):
        return name
    raise CompressionError(texts.HUB_FORM.format(given=name))


def _is_local(name: str) -> bool:
    """Tell whether the library would take a Hub id for a folder or file of this machine."""
    if len(name) > LONGEST_HUB_ID or ".." in name or name.lower().endswith(".gguf"):
        return True
    return Path(name).exists()


def corpus_name(given: Any, *, own: bool) -> str:
    """Return the name of a text that a person chose; `own` allows the one that was pasted.

    Raises:
        CompressionError: It is none of them.
    """
    allowed = [*CORPORA, *([OWN_TEXT] if own else [])]
    if given in allowed:
        return str(given)
    raise CompressionError(texts.NOT_A_CORPUS.format(given=given, allowed=", ".join(allowed)))


def check_limit(name: str, given: Any, limit: str) -> int:
    """Return a number that a person gave under a name, if the profile allows as many.

    Raises:
        CompressionError: It is no number, below one, or beyond the profile's limit.
    """
    number = int(check_number(name, given, minimum=1))
    most = limits().get(limit)
    if most is not None and number > most:
        raise CompressionError(texts.TOO_MANY.format(name=name, limit=most, given=number))
    return number


def as_share(text: str) -> float | None:
    """Read 0.5 or 50% as a share; None if it is none."""
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None
    return share if 0 < share <= 1 else None


def share_of(method: str, keep: Any) -> Any:
    """Return the keep of the slider, unless the method's options alone decide its size."""
    return 1.0 if is_sized(method) else keep


def table_rows(table: Any) -> list[list[str]]:
    """Return the cells of a table component as text, whatever type they came in."""
    rows = table.get("data", []) if isinstance(table, dict) else table
    cells = [[("" if cell is None else str(cell).strip()) for cell in row] for row in rows or []]
    return [[*row, "", "", ""][:3] for row in cells if any(row)][:MAX_OVERRIDES]
