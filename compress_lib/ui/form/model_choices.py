"""The models on offer, and which of them have to be fetched first."""

from __future__ import annotations

from compress_lib.models.catalogue import CATALOGUE
from compress_lib.models.sources.cached import cached_weights
from compress_lib.ui.common import texts
from compress_lib.utils.formatting import format_bytes

HALF_BYTES = 2
"""Of a number in the type that most checkpoints have."""


def model_choices() -> list[tuple[str, str]]:
    """Return label and name of every model of the catalogue; what is not here says so."""
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
