"""Model menu, with the download size of models that are not cached."""

from __future__ import annotations

from compress_lib.models.catalogue import CATALOGUE
from compress_lib.models.sources.cached import cached_weights
from compress_lib.ui.common import texts
from compress_lib.utils.formatting import format_bytes

HALF_BYTES = 2
"""Bytes per parameter of a 16-bit checkpoint."""


def model_choices() -> list[tuple[str, str]]:
    """Return the label and name of every catalogue model, with the download size if uncached."""
    return [
        (
            entry.label
            if cached_weights(entry)
            else texts.MODEL_FETCHED.format(
                label=entry.label, size=format_bytes(entry.parameters * HALF_BYTES)
            ),
            entry.name,
        )
        for entry in CATALOGUE.values()
    ]
