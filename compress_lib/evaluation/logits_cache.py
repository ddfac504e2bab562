"""Cache of the baseline's logits, for comparing many compressed models on the same text."""

from __future__ import annotations

from torch import Tensor

from compress_lib.data.examples import Example
from compress_lib.evaluation.likelihood import time_logits
from compress_lib.models.loading import LanguageModel

MOST_BYTES = 2_000_000_000
"""Default limit of cached logits in bytes; examples beyond it are recomputed every time."""


class LogitsCache:
    """Cache of one model's logits by example; pass it to `compare` as `read`.

    Cached seconds are those of the first pass, so do not use the cache to compare speeds.

    Args:
        limit: The maximum bytes of cached logits.
    """

    def __init__(self, limit: int = MOST_BYTES) -> None:
        self._limit = limit
        self._nbytes = 0
        self._model: LanguageModel | None = None
        self._cached: dict[tuple[object, ...], tuple[Tensor, float]] = {}

    def __call__(self, model: LanguageModel, example: Example) -> tuple[Tensor, float]:
        """Return the result of `time_logits`; a different model clears the cache."""
        if model is not self._model:
            self._model, self._nbytes = model, 0
            self._cached.clear()
        key = (
            tuple(example.ids.tolist()),
            tuple(example.positions.tolist()),
            example.mask,
            example.singly,
        )
        entry = self._cached.get(key)
        if entry is None:
            entry = time_logits(model, example)
            if self._nbytes + entry[0].nbytes <= self._limit:
                self._nbytes += entry[0].nbytes
                self._cached[key] = entry
        return entry
