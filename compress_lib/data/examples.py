"""Evaluation examples: input tokens, predicted positions and their labels.

Causal blocks and masked lines share this form, so that perplexity, KL divergence and top-1
agreement are computed in the same way for both kinds of model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

COPIES_TOKENS = 2048
"""Maximum tokens per batch of masked copies of one example."""


@dataclass(frozen=True, eq=False)
class Example:
    """Piece of text that is scored independently of all others.

    Attributes:
        ids: `[length]` token ids, including special tokens.
        positions: `[predictions]` positions at which the model's logits are read.
        labels: `[predictions]` the correct token at each of them.
        mask: Id of the mask token; None for a causal model, which sees only the preceding tokens
            and predicts after every position except the last.
        singly: Mask one position at a time, each in its own copy, instead of all at once.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor
    mask: int | None = None
    singly: bool = False

    @property
    def inputs(self) -> Tensor:
        """Input tokens `[length]`, with all positions masked unless they are masked singly."""
        if self.mask is None or self.singly:
            return self.ids
        return self.ids.index_fill(0, self.positions, self.mask)

    @property
    def used(self) -> Tensor:
        """Every token whose embedding row is looked up: the text's tokens and the masks."""
        if self.mask is None:
            return self.ids
        # With one copy per mask, count a single copy for all.
        masks = self.positions[:1] if self.singly else self.positions
        return torch.cat([self.ids, torch.full_like(masks, self.mask)])

    def copies(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches `[copies, length]` and the position `[copies]` masked in each copy."""
        assert self.mask is not None
        for positions in self.positions.split(max(1, COPIES_TOKENS // len(self.ids))):
            batch = self.ids.repeat(len(positions), 1)
            batch[torch.arange(len(positions)), positions] = self.mask
            yield batch, positions


def as_example(block: Tensor | Example) -> Example:
    """Convert a block `[length]` of tokens to a causal example; return an `Example` unchanged."""
    if isinstance(block, Example):
        return block
    return Example(block, torch.arange(len(block) - 1), block[1:])
