"""Calibration text: tokenized examples and the views that statistics are collected from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from compress_lib.data.examples import Example, as_example

SELECTION_TOKENS = 256
"""Calibration predictions for selection by perplexity, which may be evaluated once per epoch."""

EXAMPLE_TOKENS = 128
"""Tokens per Fisher information example; short, for many examples and little memory."""


@dataclass(frozen=True)
class Calibration:
    """Tokenized calibration text; empty if nothing needs it.

    Attributes:
        examples: Blocks of tokens for a causal model, lines with masked words for a masked one.
    """

    examples: tuple[Example, ...] = ()

    @classmethod
    def from_blocks(cls, blocks: Iterable[Tensor]) -> Calibration:
        """Create causal examples from blocks `[length]` of token ids."""
        return cls(tuple(as_example(block) for block in blocks))

    @property
    def causal(self) -> bool:
        """Whether the examples are causal, i.e. have no masks."""
        return all(example.mask is None for example in self.examples)

    @property
    def input_blocks(self) -> list[Tensor]:
        """Input tokens `[length]` of each example."""
        return [example.inputs for example in self.examples]

    @property
    def token_ids(self) -> Tensor:
        """All tokens whose embedding rows are looked up, including mask tokens, concatenated."""
        used = [example.used for example in self.examples]
        return torch.cat(used) if used else torch.empty(0, dtype=torch.long)

    @property
    def selection_examples(self) -> list[Example]:
        """The first examples, with at most about `SELECTION_TOKENS` predictions."""
        if self.causal:
            ids = self.token_ids[:SELECTION_TOKENS]
            return [as_example(ids)] if len(ids) >= 2 else []
        counts = accumulate(len(example.labels) for example in self.examples)
        within_limit = [count <= SELECTION_TOKENS for count in counts]
        return list(self.examples[: max(1, sum(within_limit))])

    @property
    def fisher_examples(self) -> list[Example]:
        """Examples for the Fisher information: lines, or blocks cut to `EXAMPLE_TOKENS`."""
        if not self.causal:
            return list(self.examples)
        pieces = [piece for block in self.input_blocks for piece in block.split(EXAMPLE_TOKENS)]
        return [as_example(piece) for piece in pieces if len(piece) >= 2]
