"""Calibration text as a model is given it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from compress_lib.data.examples import Example, as_example

SELECTION_TOKENS = 256
"""Calibration tokens on which a method may choose by perplexity: it asks once an epoch."""

EXAMPLE_TOKENS = 128
"""Tokens in one example of the Fisher information; short, for many examples and little memory."""


@dataclass(frozen=True)
class Calibration:
    """Calibration text; empty where nothing needs it.

    Attributes:
        blocks: Tokens `[length]` as a model is given them.
        examples: What a masked model has to predict in each; empty for a causal one, which
            predicts every next token.
    """

    blocks: tuple[Tensor, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def ids(self) -> Tensor:
        """All tokens whose rows of a token table are read, one after the other."""
        # A masked model reads its mask's row more often than any other.
        used = [example.used for example in self.examples] or self.blocks
        return torch.cat(list(used)) if used else torch.empty(0, dtype=torch.long)

    @property
    def predicted(self) -> list[Example]:
        """What a model has to predict in each block."""
        return list(self.examples) or [as_example(block) for block in self.blocks]

    @property
    def selection(self) -> list[Example]:
        """The first part, with about `SELECTION_TOKENS` predictions at most."""
        if not self.examples:
            ids = self.ids[:SELECTION_TOKENS]
            return [as_example(ids)] if len(ids) >= 2 else []
        counts = accumulate(len(example.labels) for example in self.examples)
        fitting = [count <= SELECTION_TOKENS for count in counts]
        return list(self.examples[: max(1, sum(fitting))])

    @property
    def pieces(self) -> list[Example]:
        """The examples of the Fisher information: lines, or blocks in pieces of their length."""
        if self.examples:
            return list(self.examples)
        found = [piece for block in self.blocks for piece in block.split(EXAMPLE_TOKENS)]
        return [as_example(piece) for piece in found if len(piece) >= 2]
