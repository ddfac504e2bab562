"""LRU cache of compressed models, for export and token lookup."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cachetools import LRUCache

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel

MOST_KEPT = 3
"""They share all weights that were not compressed with the original."""


class CompressedModelCache:
    """Keeps the compressed models that were used last, by the keys of their runs."""

    def __init__(self) -> None:
        self._models: LRUCache[str, LanguageModel] = LRUCache(MOST_KEPT)
        self._lock = threading.Lock()

    def add(self, key: str, model: LanguageModel) -> None:
        """Keep a model, and let the oldest go."""
        with self._lock:
            self._models[key] = model

    def find(self, key: str) -> LanguageModel | None:
        """Return the model of a run, if it is still here."""
        with self._lock:
            return self._models.get(key)
