"""LRU cache of compressed models, for export and token lookup."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel

MOST_KEPT = 3
"""Number of cached models; they share all uncompressed weights with the original model."""


class CompressedModelCache:
    """Thread-safe LRU cache of compressed models by the keys of their runs."""

    def __init__(self) -> None:
        self._models: LRUCache[str, LanguageModel] = LRUCache(MOST_KEPT)
        self._lock = threading.Lock()

    def add(self, key: str, model: LanguageModel) -> None:
        """Add a model and evict the least recently used one."""
        with self._lock:
            self._models[key] = model

    def find(self, key: str) -> LanguageModel | None:
        """Return the model of a run, or None if it is not cached."""
        with self._lock:
            return self._models.get(key)
