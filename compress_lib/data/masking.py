"""Lines of text with hidden words, for masked language models.

Two protocols. `whole_word`, after Bałazy et al. 2021 (arXiv 2106.08181) and its successor: one
line is one example, headings (between `=` signs) and lines under 20 tokens are left out, and 15 %
of the words are hidden, all tokens of a word together. Here a hidden token is always the mask: the
10 % kept and 10 % random tokens of pre-training would make a task of copying and of finding
errors, which perplexity does not tell apart from predicting. `pseudo`: pseudo-perplexity,
every token of a line hidden once while all others are seen (Salazar et al. 2020, arXiv
1910.14659). Both sum over all hidden tokens and divide once, instead of averaging over batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from compress_lib.data.examples import Example
from compress_lib.errors import CompressionError

HIDDEN_SHARE = 0.15
"""Of the words, in `whole_word`."""

SHORTEST = 20
"""Tokens that a line must have, special ones not counted."""


@dataclass(frozen=True)
class Line:
    """A tokenized line: special tokens, then the text's own with the words they belong to."""

    before: list[int]
    body: list[int]
    words: list[int | None]
    after: list[int]

    def cut(self, room: int) -> Line:
        """Return the line within so many tokens, no word cut in two."""
        end = room - len(self.before) - len(self.after)
        if end >= len(self.body):
            return self
        while end > 0 and self.words[end] == self.words[end - 1]:
            end -= 1
        end = max(end, 0)
        return Line(self.before, self.body[:end], self.words[:end], self.after)

    @property
    def ids(self) -> list[int]:
        """All tokens, special ones included."""
        return [*self.before, *self.body, *self.after]


def tokenize_lines(
    tokenizer: PreTrainedTokenizerBase, content: str, *, tokens: int, context: int, name: str
) -> list[Line]:
    """Tokenize a text's first lines.

    Args:
        tokenizer: Puts its special tokens around every line; they are never predicted.
        content: The text.
        tokens: Of all lines together, special ones counted; the last line is cut to fit.
        context: Of one line at most; a longer one is cut at the end of a word.
        name: What to call the text in an error.

    Returns:
        At least one line.

    Raises:
        CompressionError: No line is long enough.
    """
    found: list[Line] = []
    left = tokens
    for whole in _lines(tokenizer, content):
        line = whole.cut(min(context, left))
        if len(line.body) < SHORTEST:
            if found and left < context and len(whole.body) >= SHORTEST:
                break
            continue
        found.append(line)
        left -= len(line.ids)
    if not found:
        raise CompressionError(
            f"{name} has no line of at least {SHORTEST} tokens within {tokens:,} tokens and a "
            f"context of {context:,}, and lines are what a masked model is measured on."
        )
    return found


def hide_tokens(
    tokenizer: PreTrainedTokenizerBase, lines: Sequence[Line], protocol: str, seed: int = 0
) -> list[Example]:
    """Hide tokens of every line.

    Args:
        tokenizer: Has the mask.
        lines: From `tokenize_lines`.
        protocol: `whole_word` or `pseudo`.
        seed: For the words that are hidden; the first lines hide the same whatever follows.

    Raises:
        CompressionError: The tokenizer cannot hide words.
    """
    mask = mask_id(tokenizer)
    generator = torch.Generator().manual_seed(seed)
    examples = []
    for line in lines:
        places = torch.arange(len(line.body))
        if protocol == "whole_word":
            places = choose_words(line.words, generator)
        ids = torch.tensor(line.ids)
        places = places + len(line.before)
        examples.append(Example(ids, places, ids[places], mask, singly=protocol == "pseudo"))
    return examples


def mask_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that hides others.

    Raises:
        CompressionError: There is none, or the tokenizer does not know where words begin.
    """
    found = tokenizer.mask_token_id
    if not isinstance(found, int):
        raise CompressionError(
            "This model's tokenizer has no mask token, so nothing can be hidden."
        )
    if not tokenizer.is_fast:
        raise CompressionError(
            "This model's tokenizer does not tell which tokens make a word; only fast tokenizers "
            "(a tokenizer.json) do."
        )
    return found


def choose_words(words: Sequence[int | None], generator: torch.Generator) -> Tensor:
    """Choose the words to hide.

    Args:
        words: `[length]` the word that each token belongs to.
        generator: Draws them.

    Returns:
        `[hidden]` the places of all tokens of 15 % of the words, at least one word, in order.
    """
    names = list(dict.fromkeys(words))
    count = max(1, round(HIDDEN_SHARE * len(names)))
    chosen = {names[i] for i in torch.randperm(len(names), generator=generator)[:count].tolist()}
    return torch.tensor([place for place, word in enumerate(words) if word in chosen])


def _lines(tokenizer: PreTrainedTokenizerBase, content: str) -> Iterator[Line]:
    for text in content.split("\n"):
        bare = text.strip()
        if not bare or (bare.startswith("=") and bare.endswith("=")):
            continue
        encoded = tokenizer(bare, verbose=False)
        ids: list[int] = encoded["input_ids"]
        # Tokens that the tokenizer adds belong to no word.
        words = encoded.word_ids(0)
        inside = [place for place, word in enumerate(words) if word is not None]
        if inside:
            part = slice(inside[0], inside[-1] + 1)
            yield Line(ids[: part.start], ids[part], words[part], ids[part.stop :])
