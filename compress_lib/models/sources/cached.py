"""What of the catalogue is on this machine already. Asks no network, and knows no torch."""

from __future__ import annotations

from compress_lib.models.catalogue import CatalogueEntry
from compress_lib.models.sources.base import Weights


def cached_weights(entry: CatalogueEntry) -> Weights | None:
    """Return the weights of a model that can be loaded without fetching anything."""
    from compress_lib.models.sources.gguf import cached_package
    from compress_lib.models.sources.hub import cached_snapshot

    found = cached_snapshot(entry.hub_id, None)
    return found or (cached_package(entry.package) if entry.package is not None else None)
