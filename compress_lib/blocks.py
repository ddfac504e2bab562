"""From texts to blocks of tokens; text to choose by and text to judge by never mix."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.corpora import Text
from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import token_blocks
from compress_lib.gathering import Calibration
from compress_lib.models import LanguageModel
from compress_lib.plan import OWN_TEXT, TextSpec

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
            f"{shared / len(passages):.0%} of the evaluation text stands in the calibration text "
            "as well, so the result would flatter itself. Name another calibration text."
        )


def evaluation_blocks(model: LanguageModel, spec: TextSpec, text: Text) -> list[Tensor]:
    """Cut the text to measure on into blocks.

    Raises:
        CompressionError: It is too short, or the context is longer than the model can read.
    """
    limit = model.max_context
    if limit and spec.context > limit:
        raise CompressionError(
            f"A context of {spec.context:,} tokens is longer than {model.id} can read; at most "
            f"{limit:,}."
        )
    ids = encode(model, text)
    own = spec.corpus == OWN_TEXT
    return token_blocks(ids, tokens=spec.tokens, context=spec.context, name=text.name, at_most=own)


def calibration_blocks(
    model: LanguageModel, spec: TextSpec, text: Text | None, evaluation: list[Tensor]
) -> Calibration:
    """Cut the text to choose by into blocks, if there is one.

    Raises:
        CompressionError: It is too short, or contains the text to measure on.
    """
    if text is None:
        return Calibration()
    ids = encode(model, text)[: spec.tokens]
    check_disjoint(torch.cat(evaluation).tolist(), ids)
    context = min(spec.context, model.max_context or spec.context)
    blocks = token_blocks(ids, tokens=spec.tokens, context=context, name=text.name, at_most=True)
    return Calibration(tuple(blocks))
