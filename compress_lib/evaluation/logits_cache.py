"""What a model predicts of a text, kept while many others are held against it."""

from __future__ import annotations

from torch import Tensor

from compress_lib.data.examples import Example
from compress_lib.evaluation.likelihood import time_logits
from compress_lib.models.loading import LanguageModel

MOST_BYTES = 2_000_000_000
"""Of logits; what comes later is read every time."""


class LogitsCache:
    """Reads a model's logits once an example; give it to `compare` as `read`.

    The seconds are those of the first time: whoever compares speeds reads anew.

    Args:
        limit: Bytes of logits that are kept at most.
    """

    def __init__(self, limit: int = MOST_BYTES) -> None:
        self._limit = limit
        self._nbytes = 0
        self._model: LanguageModel | None = None
        self._known: dict[tuple[object, ...], tuple[Tensor, float]] = {}

    def __call__(self, model: LanguageModel, example: Example) -> tuple[Tensor, float]:
        """Return what `time_logits` does; another model makes it forget the one before."""
        if model is not self._model:
            self._model, self._nbytes = model, 0
            self._known.clear()
        key = (
            tuple(example.ids.tolist()),
            tuple(example.positions.tolist()),
            example.mask,
            example.singly,
        )
        found = self._known.get(key)
        if found is None:
            found = time_logits(model, example)
            if self._nbytes + found[0].nbytes <= self._limit:
                self._nbytes += found[0].nbytes
                self._known[key] = found
        return found
