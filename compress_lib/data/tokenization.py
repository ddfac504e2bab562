"""From texts to what models are scored on; text to choose by and text to judge by never mix.

A causal model gets blocks of tokens, a masked one lines with hidden words.
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
"""Text is taken to be the same where so many tokens in a row are."""

OVERLAP_SHARE = 0.01


def encode(model: LanguageModel, text: Text) -> list[int]:
    """Tokenize a whole text at once, with nothing prepended."""
    # The tokenizer warns that a whole corpus is longer than the model reads at once; it is cut
    # into blocks afterwards.
    ids: list[int] = model.tokenizer(text.content, add_special_tokens=False, verbose=False)[
        "input_ids"
    ]
    return ids


def check_disjoint(evaluation: list[int], calibration: list[int]) -> None:
    """Refuse calibration text that contains text of the evaluation.

    Raises:
        CompressionError: More than one in a hundred evaluation passages of 32 tokens stand in
            the calibration text as well.
    """
    size = OVERLAP_TOKENS
    seen = {tuple(calibration[i : i + size]) for i in range(len(calibration) - size + 1)}
    passages = [tuple(evaluation[i : i + size]) for i in range(len(evaluation) - size + 1)]
    shared = sum(passage in seen for passage in passages)
    if passages and shared > OVERLAP_SHARE * len(passages):
        raise CompressionError(
            f"{format_share(shared / len(passages), 0)} of the evaluation text stands in the "
            "calibration text as well, so the result would flatter itself. Name another "
            "calibration text."
        )


def protocol_of(model: LanguageModel, spec: TextSpec) -> str:
    """Return the protocol that a text is measured by, one of `PROTOCOLS`.

    Raises:
        CompressionError: The one that is asked for does not fit the model.
    """
    if spec.protocol == AUTOMATIC:
        return USUAL_PROTOCOLS[model.kind]
    if PROTOCOLS[spec.protocol] != model.kind:
        fitting = [name for name, kind in PROTOCOLS.items() if kind == model.kind]
        raise CompressionError(
            f"The protocol {spec.protocol} is for {PROTOCOLS[spec.protocol]} language models, and "
            f"{model.id} is a {model.kind} one; use {AUTOMATIC} or {' or '.join(fitting)}."
        )
    return spec.protocol


def check_protocols(model: LanguageModel, *specs: TextSpec) -> None:
    """Find out before any work whether a model can be measured as texts are to be.

    Raises:
        CompressionError: A protocol does not fit it, or its tokenizer cannot hide words.
    """
    for spec in specs:
        protocol_of(model, spec)
    if model.kind == "masked":
        mask_id(model.tokenizer)


@dataclass(frozen=True)
class TokenizedText:
    """The tokens of a text that are used, before they become examples.

    Attributes:
        blocks: For a causal model: blocks `[length]` of token ids.
        lines: For a masked model: tokenized lines.
        protocol: How they are scored, one of `PROTOCOLS`.
        tokenizer: Of the model.
    """

    blocks: list[Tensor]
    lines: list[Line]
    protocol: str
    tokenizer: PreTrainedTokenizerBase

    @property
    def ids(self) -> list[int]:
        """The text's own tokens, without special ones."""
        if self.lines:
            special = set(self.tokenizer.all_special_ids)
            return [token for line in self.lines for token in line.body if token not in special]
        ids: list[int] = torch.cat(self.blocks).tolist()
        return ids

    def examples(self, seed: int) -> list[Example]:
        """Return what a model has to predict; `seed` chooses the words that are hidden."""
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
    """Tokenize both texts, check that they are disjoint, and make examples of them.

    Args:
        model: Its tokenizer and its kind decide.
        evaluation: How much of the evaluation text is scored.
        evaluation_text: The text.
        calibration: How much of the calibration text is used.
        calibration_text: The text; None if nothing needs it.
        seed: For the words that are hidden from a masked model.

    Raises:
        CompressionError: A text is too short, both contain the same passages, or the context is
            longer than the model can read.
    """
    scored = tokenize_evaluation(model, evaluation, evaluation_text)
    if calibration_text is None:
        return scored.examples(seed), Calibration()
    chosen = tokenize_calibration(model, calibration, calibration_text)
    check_disjoint(scored.ids, chosen.ids)
    return scored.examples(seed), Calibration(tuple(chosen.examples(seed)))


def tokenize_evaluation(model: LanguageModel, spec: TextSpec, text: Text) -> TokenizedText:
    """Tokenize a text to be scored, as much of it as a plan asks for.

    Raises:
        CompressionError: It is too short, or the context is longer than the model can read.
    """
    limit = model.max_context
    if limit and spec.context > limit:
        raise CompressionError(
            f"A context of {spec.context:,} tokens is longer than {model.id} can read; at most "
            f"{limit:,}."
        )
    own = spec.corpus == OWN_TEXT
    return _tokenize(model, spec, text, context=spec.context, allow_shorter=own)


def tokenize_calibration(model: LanguageModel, spec: TextSpec, text: Text) -> TokenizedText:
    """Tokenize a calibration text: at most as many tokens as a plan asks for.

    Raises:
        CompressionError: It is too short.
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
        tokens: How many to use.
        context: Tokens in a block; the last block may be shorter.
        name: What to call the text in an error.
        allow_shorter: Accept a text with fewer tokens.

    Returns:
        Blocks `[context]` of token ids, each with at least two tokens.

    Raises:
        CompressionError: The text has fewer tokens.
    """
    if len(ids) < 2 or (len(ids) < tokens and not allow_shorter):
        raise CompressionError(
            f"{name} has {len(ids):,} tokens with this model's tokenizer, but {tokens:,} are "
            "asked for. Ask for fewer, or choose a longer text."
        )
    blocks = torch.tensor(ids[:tokens], dtype=torch.long).split(context)
    return [block for block in blocks if len(block) >= 2]
