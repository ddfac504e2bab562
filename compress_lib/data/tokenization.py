"""Tokenize evaluation and calibration texts into examples and check that they do not overlap.

A causal model gets blocks of tokens, a masked one lines with masked words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from compress_lib.data.calibration_text import Calibration
from compress_lib.data.corpora import Text
from compress_lib.data.examples import Example, as_example
from compress_lib.data.masking import Line, hide_tokens, mask_id, tokenize_lines
from compress_lib.data.text_spec import AUTOMATIC, OWN_TEXT, PROTOCOLS, USUAL_PROTOCOLS, TextSpec
from compress_lib.errors import CompressionError
from compress_lib.models.loading import LanguageModel
from compress_lib.utils.formatting import format_share

OVERLAP_TOKENS = 32
"""Length of the token n-grams that are compared to detect overlapping texts."""

OVERLAP_SHARE = 0.01
"""Maximum fraction of the evaluation text's n-grams that may occur in the calibration text."""


def encode(model: LanguageModel, text: Text) -> list[int]:
    """Return the token ids of a text, without special tokens.

    Args:
        model: Provides the tokenizer.
        text: The text, tokenized in one piece.
    """
    # verbose=False: the text is cut into blocks later, so a warning about its length is moot.
    ids: list[int] = model.tokenizer(text.content, add_special_tokens=False, verbose=False)[
        "input_ids"
    ]
    return ids


def check_disjoint(evaluation: list[int], calibration: list[int]) -> None:
    """Refuse calibration text that overlaps with the evaluation text.

    Args:
        evaluation: Token ids of the evaluation text.
        calibration: Token ids of the calibration text.

    Raises:
        CompressionError: More than 1% of the evaluation text's 32-grams also appear in the
            calibration text.
    """
    size = OVERLAP_TOKENS
    seen = {tuple(calibration[i : i + size]) for i in range(len(calibration) - size + 1)}
    ngrams = [tuple(evaluation[i : i + size]) for i in range(len(evaluation) - size + 1)]
    shared = sum(ngram in seen for ngram in ngrams)
    if ngrams and shared > OVERLAP_SHARE * len(ngrams):
        raise CompressionError(
            f"{format_share(shared / len(ngrams), 0)} of the evaluation text also appears in the "
            "calibration text, which would bias the result. Choose another calibration text."
        )


def protocol_of(model: LanguageModel, spec: TextSpec) -> str:
    """Return the evaluation protocol of a text, one of `PROTOCOLS`.

    Args:
        model: The model to evaluate; its kind determines the default.
        spec: The text, with the requested protocol.

    Raises:
        CompressionError: The requested protocol is for another kind of model.
    """
    if spec.protocol == AUTOMATIC:
        return USUAL_PROTOCOLS[model.kind]
    if PROTOCOLS[spec.protocol] != model.kind:
        allowed = [name for name, kind in PROTOCOLS.items() if kind == model.kind]
        raise CompressionError(
            f"The protocol {spec.protocol} is for {PROTOCOLS[spec.protocol]} language models, but "
            f"{model.id} is a {model.kind} one; use {AUTOMATIC} or {' or '.join(allowed)}."
        )
    return spec.protocol


def check_protocols(model: LanguageModel, *specs: TextSpec) -> None:
    """Check before any work that a model can be evaluated with the protocols of some texts.

    Args:
        model: The model.
        *specs: The texts.

    Raises:
        CompressionError: A protocol is for another kind of model, or the tokenizer of a masked
            model has no mask token or does not map tokens to words.
    """
    for spec in specs:
        protocol_of(model, spec)
    if model.kind == "masked":
        mask_id(model.tokenizer)


@dataclass(frozen=True)
class TokenizedText:
    """Tokens of a text, before they become examples.

    Attributes:
        blocks: Blocks `[length]` of token ids, for a causal model; else empty.
        lines: Tokenized lines, for a masked model; else empty.
        protocol: Evaluation protocol, one of `PROTOCOLS`.
        tokenizer: The model's tokenizer.
    """

    blocks: list[Tensor]
    lines: list[Line]
    protocol: str
    tokenizer: PreTrainedTokenizerBase

    @property
    def ids(self) -> list[int]:
        """The text's own tokens, without special tokens."""
        if self.lines:
            special = set(self.tokenizer.all_special_ids)
            return [token for line in self.lines for token in line.body if token not in special]
        ids: list[int] = torch.cat(self.blocks).tolist()
        return ids

    def examples(self, seed: int) -> list[Example]:
        """Return the examples to predict; `seed` selects the masked words."""
        if self.lines:
            return hide_tokens(self.tokenizer, self.lines, self.protocol, seed)
        return [as_example(block) for block in self.blocks]


def prepare_texts(
    model: LanguageModel,
    evaluation: TextSpec,
    evaluation_text: Text,
    calibration: TextSpec,
    calibration_text: Text | None,
    seed: int,
) -> tuple[list[Example], Calibration]:
    """Tokenize both texts, check that they do not overlap, and create their examples.

    Args:
        model: Provides the tokenizer and the kind of the examples.
        evaluation: Tokens, context and protocol of the evaluation text.
        evaluation_text: The evaluation text.
        calibration: Tokens, context and protocol of the calibration text.
        calibration_text: The calibration text; None if nothing needs it.
        seed: Seed of the masked words of a masked model.

    Raises:
        CompressionError: A text is too short, the texts overlap, or the context exceeds the
            model's maximum.
    """
    evaluation_tokens = tokenize_evaluation(model, evaluation, evaluation_text)
    if calibration_text is None:
        return evaluation_tokens.examples(seed), Calibration()
    calibration_tokens = tokenize_calibration(model, calibration, calibration_text)
    check_disjoint(evaluation_tokens.ids, calibration_tokens.ids)
    examples = evaluation_tokens.examples(seed)
    return examples, Calibration(tuple(calibration_tokens.examples(seed)))


def tokenize_evaluation(model: LanguageModel, spec: TextSpec, text: Text) -> TokenizedText:
    """Tokenize an evaluation text and return as many tokens as `spec` requests.

    Args:
        model: Provides the tokenizer, the kind and the maximum context.
        spec: Tokens, context and protocol.
        text: The text. Only a custom text may be shorter than `spec.tokens`.

    Raises:
        CompressionError: It is too short, or the context exceeds the model's maximum.
    """
    limit = model.max_context
    if limit and spec.context > limit:
        raise CompressionError(
            f"A context of {spec.context:,} tokens is too long for {model.id}; the maximum is "
            f"{limit:,}."
        )
    custom = spec.corpus == OWN_TEXT
    return _tokenize(model, spec, text, context=spec.context, allow_shorter=custom)


def tokenize_calibration(model: LanguageModel, spec: TextSpec, text: Text) -> TokenizedText:
    """Tokenize a calibration text and return at most as many tokens as `spec` requests.

    Args:
        model: Provides the tokenizer, the kind and the maximum context, to which
            `spec.context` is capped.
        spec: Tokens, context and protocol.
        text: The text, which may be shorter than `spec.tokens`.

    Raises:
        CompressionError: It has fewer than two tokens, or no usable line for a masked model.
    """
    context = min(spec.context, model.max_context or spec.context)
    return _tokenize(model, spec, text, context=context, allow_shorter=True)


def _tokenize(
    model: LanguageModel, spec: TextSpec, text: Text, *, context: int, allow_shorter: bool
) -> TokenizedText:
    tokenizer, protocol = model.tokenizer, protocol_of(model, spec)
    sizes: dict[str, Any] = {"tokens": spec.tokens, "context": context, "name": text.name}
    if model.kind == "masked":
        mask_id(tokenizer)
        lines = tokenize_lines(tokenizer, text.content, **sizes)
        return TokenizedText([], lines, protocol, tokenizer)
    blocks = token_blocks(encode(model, text), **sizes, allow_shorter=allow_shorter)
    return TokenizedText(blocks, [], protocol, tokenizer)


def token_blocks(
    ids: Sequence[int], *, tokens: int, context: int, name: str, allow_shorter: bool = False
) -> list[Tensor]:
    """Cut the first tokens of a text into disjoint blocks.

    Args:
        ids: All tokens of the text.
        tokens: Number of tokens to use.
        context: Tokens per block; the last block may be shorter.
        name: Name of the text, for error messages.
        allow_shorter: Whether the text may have fewer than `tokens` tokens.

    Returns:
        Blocks `[context]` of token ids, each with at least two tokens.

    Raises:
        CompressionError: The text has too few tokens.
    """
    if len(ids) < 2 or (len(ids) < tokens and not allow_shorter):
        raise CompressionError(
            f"{name} has {len(ids):,} tokens with this model's tokenizer, but {tokens:,} were "
            "requested. Request fewer tokens, or choose a longer text."
        )
    blocks = torch.tensor(ids[:tokens], dtype=torch.long).split(context)
    return [block for block in blocks if len(block) >= 2]
