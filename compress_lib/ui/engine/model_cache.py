"""Compressed models that were made last: to be taken away, and looked into."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel

MOST_KEPT = 3
"""They share all weights that were not compressed with the original."""


class MadeModels:
    """Keeps the newest compressed models by the keys of their runs."""

    def __init__(self) -> None:
        self._models: dict[str, LanguageModel] = {}
        self._lock = threading.Lock()

    def add(self, key: str, model: LanguageModel) -> None:
        """Keep a model, and let the oldest go."""
        with self._lock:
            self._models.pop(key, None)
            self._models[key] = model
            while len(self._models) > MOST_KEPT:
                self._models.pop(next(iter(self._models)))

    def find(self, key: str) -> LanguageModel | None:
        """Return the model of a run, if it is still here."""
        with self._lock:
            return self._models.get(key)
