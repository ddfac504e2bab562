"""Local cache lookup for catalogue models, without network access or torch."""

from __future__ import annotations

from compress_lib.models.catalogue import CatalogueEntry
from compress_lib.models.sources.base import Weights


def cached_weights(entry: CatalogueEntry) -> Weights | None:
    """Return a model's weights if they can be loaded without a download, else None."""
    from compress_lib.models.sources.gguf import cached_package
    from compress_lib.models.sources.hub import cached_snapshot

    snapshot = cached_snapshot(entry.hub_id, None)
    return snapshot or (cached_package(entry.package) if entry.package is not None else None)
