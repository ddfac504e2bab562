"""Masking protocols for evaluating masked language models on lines of text.

`whole_word`, after Bałazy et al. 2021 (arXiv 2106.08181) and its successor: one line is one
example, headings (between `=` signs) and lines under 20 tokens are skipped, and 15% of the words
are masked, all tokens of a word together. Selected tokens are always replaced by the mask token:
the 10% unchanged and 10% random tokens of pre-training would add copying and error detection,
which perplexity cannot distinguish from prediction.

`pseudo`: pseudo-perplexity, where every token of a line is masked once while all others are
visible (Salazar et al. 2020, arXiv 1910.14659).

Both sum over all masked tokens and divide once, instead of averaging over batches.
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
"""Fraction of words that `whole_word` masks."""

SHORTEST = 20
"""Minimum tokens of a line, excluding special tokens."""


@dataclass(frozen=True)
class Line:
    """Tokenized line of text.

    Attributes:
        before: Leading special tokens.
        body: The text's own tokens.
        words: Word index of each body token; None for special tokens within the text.
        after: Trailing special tokens.
    """

    before: list[int]
    body: list[int]
    words: list[int | None]
    after: list[int]

    def cut(self, limit: int) -> Line:
        """Truncate the line at a word boundary to at most `limit` tokens in total."""
        end = limit - len(self.before) - len(self.after)
        if end >= len(self.body):
            return self
        while end > 0 and self.words[end] == self.words[end - 1]:
            end -= 1
        end = max(end, 0)
        return Line(self.before, self.body[:end], self.words[:end], self.after)

    @property
    def ids(self) -> list[int]:
        """All tokens, including special tokens."""
        return [*self.before, *self.body, *self.after]


def tokenize_lines(
    tokenizer: PreTrainedTokenizerBase, content: str, *, tokens: int, context: int, name: str
) -> list[Line]:
    """Tokenize the first lines of a text.

    Args:
        tokenizer: Adds its special tokens to every line; they are never predicted.
        content: The text.
        tokens: Maximum tokens of all lines, including special ones; the last line is cut to fit.
        context: Maximum tokens per line; longer lines are cut at the end of a word.
        name: Name of the text, for error messages.

    Returns:
        At least one line.

    Raises:
        CompressionError: No line is long enough.
    """
    lines: list[Line] = []
    remaining = tokens
    for full_line in _lines(tokenizer, content):
        line = full_line.cut(min(context, remaining))
        if len(line.body) < SHORTEST:
            if lines and remaining < context and len(full_line.body) >= SHORTEST:
                break
            continue
        lines.append(line)
        remaining -= len(line.ids)
    if not lines:
        raise CompressionError(
            f"{name} has no line of at least {SHORTEST} tokens within {tokens:,} tokens and a "
            f"context of {context:,}, but masked models are evaluated line by line."
        )
    return lines


def hide_tokens(
    tokenizer: PreTrainedTokenizerBase, lines: Sequence[Line], protocol: str, seed: int = 0
) -> list[Example]:
    """Create a masked example from every line.

    Args:
        tokenizer: Provides the mask token.
        lines: Lines from `tokenize_lines`.
        protocol: `whole_word` or `pseudo`.
        seed: Seed of the masked words; those of a line do not depend on later lines.

    Raises:
        CompressionError: The tokenizer has no mask token, or does not map tokens to words.
    """
    mask = mask_id(tokenizer)
    generator = torch.Generator().manual_seed(seed)
    examples = []
    for line in lines:
        positions = torch.arange(len(line.body))
        if protocol == "whole_word":
            positions = choose_words(line.words, generator)
        ids = torch.tensor(line.ids)
        positions = positions + len(line.before)
        examples.append(Example(ids, positions, ids[positions], mask, singly=protocol == "pseudo"))
    return examples


def mask_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id of the mask token.

    Raises:
        CompressionError: There is none, or the tokenizer does not map tokens to words.
    """
    token_id = tokenizer.mask_token_id
    if not isinstance(token_id, int):
        raise CompressionError(
            "This model's tokenizer has no mask token, so masked evaluation is not possible."
        )
    if not tokenizer.is_fast:
        raise CompressionError(
            "Masked evaluation needs a fast tokenizer (a tokenizer.json), which maps tokens to "
            "words; this model has a slow one."
        )
    return token_id


def choose_words(words: Sequence[int | None], generator: torch.Generator) -> Tensor:
    """Choose the words to mask.

    Args:
        words: `[length]` word index of each token.
        generator: Draws the words.

    Returns:
        `[masked]` sorted positions of all tokens of 15% of the words, at least one word.
    """
    distinct = list(dict.fromkeys(words))
    count = max(1, round(HIDDEN_SHARE * len(distinct)))
    order = torch.randperm(len(distinct), generator=generator)
    chosen = {distinct[i] for i in order[:count].tolist()}
    return torch.tensor([position for position, word in enumerate(words) if word in chosen])


def _lines(tokenizer: PreTrainedTokenizerBase, content: str) -> Iterator[Line]:
    for line in content.split("\n"):
        text = line.strip()
        if not text or (text.startswith("=") and text.endswith("=")):
            continue
        encoded = tokenizer(text, verbose=False)
        ids: list[int] = encoded["input_ids"]
        # Special tokens belong to no word.
        words = encoded.word_ids(0)
        inside = [position for position, word in enumerate(words) if word is not None]
        if inside:
            body = slice(inside[0], inside[-1] + 1)
            yield Line(ids[: body.start], ids[body], words[body], ids[body.stop :])
