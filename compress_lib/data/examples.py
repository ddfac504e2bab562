"""What a model is asked to predict: tokens, places, and what is right there.

A causal block and a line with hidden words differ in nothing else, so that perplexity, KL and
agreement are computed alike for both kinds of model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

COPIES_TOKENS = 2048
"""Tokens that the copies of one example have together in a batch."""


@dataclass(frozen=True, eq=False)
class Example:
    """A piece of text that is scored as one, independent of the others.

    Attributes:
        ids: `[length]` its tokens, special ones included.
        positions: `[predictions]` where the model's logits are read.
        labels: `[predictions]` the token that is right at each.
        mask: The token that hides the positions; None for a causal model, which sees only what
            comes before and is read at every position but the last.
        singly: Hide one position at a time, each in a copy of its own, instead of all at once.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor
    mask: int | None = None
    singly: bool = False

    @property
    def inputs(self) -> Tensor:
        """The tokens `[length]` as a model is given them in one piece."""
        if self.mask is None or self.singly:
            return self.ids
        return self.ids.index_fill(0, self.positions, self.mask)

    @property
    def used(self) -> Tensor:
        """Every token whose row is read: as it stands in the text, and the mask where it hides."""
        if self.mask is None:
            return self.ids
        # Of many copies, each with one mask, a single one stands for all.
        masks = self.positions[:1] if self.singly else self.positions
        return torch.cat([self.ids, torch.full_like(masks, self.mask)])

    def copies(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches `[copies, length]`, and the position `[copies]` hidden in each copy."""
        assert self.mask is not None
        for positions in self.positions.split(max(1, COPIES_TOKENS // len(self.ids))):
            batch = self.ids.repeat(len(positions), 1)
            batch[torch.arange(len(positions)), positions] = self.mask
            yield batch, positions


def as_example(block: Tensor | Example) -> Example:
    """Return a plain block `[length]` of tokens as an example for a causal model."""
    if isinstance(block, Example):
        return block
    return Example(block, torch.arange(len(block) - 1), block[1:])
