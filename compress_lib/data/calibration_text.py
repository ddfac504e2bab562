"""Calibration text: tokenized examples, and the views that statistics are collected from."""

from __future__ import annotations

from collections.abc import Iterable
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
        examples: Blocks of tokens for a causal model, lines with hidden words for a masked one.
    """

    examples: tuple[Example, ...] = ()

    @classmethod
    def from_blocks(cls, blocks: Iterable[Tensor]) -> Calibration:
        """Make examples for a causal model from blocks `[length]` of token ids."""
        return cls(tuple(as_example(block) for block in blocks))

    @property
    def causal(self) -> bool:
        """Whether every next token is predicted, and none is hidden."""
        return all(example.mask is None for example in self.examples)

    @property
    def input_blocks(self) -> list[Tensor]:
        """Tokens `[length]` of each example, as a model is given them."""
        return [example.inputs for example in self.examples]

    @property
    def token_ids(self) -> Tensor:
        """All tokens whose rows of a token table are read, one after the other."""
        # A masked model reads its mask's row more often than any other.
        used = [example.used for example in self.examples]
        return torch.cat(used) if used else torch.empty(0, dtype=torch.long)

    @property
    def selection_examples(self) -> list[Example]:
        """The first part, with about `SELECTION_TOKENS` predictions at most."""
        if self.causal:
            ids = self.token_ids[:SELECTION_TOKENS]
            return [as_example(ids)] if len(ids) >= 2 else []
        counts = accumulate(len(example.labels) for example in self.examples)
        fitting = [count <= SELECTION_TOKENS for count in counts]
        return list(self.examples[: max(1, sum(fitting))])

    @property
    def fisher_examples(self) -> list[Example]:
        """The examples of the Fisher information: lines, or blocks cut to `EXAMPLE_TOKENS`."""
        if not self.causal:
            return list(self.examples)
        pieces = [piece for block in self.input_blocks for piece in block.split(EXAMPLE_TOKENS)]
        return [as_example(piece) for piece in pieces if len(piece) >= 2]
