"""From texts to what models are scored on; text to choose by and text to judge by never mix.

A causal model gets blocks of tokens, a masked one lines with hidden words.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from compress_lib.data.calibration_text import Calibration
from compress_lib.data.corpora import Text
from compress_lib.data.examples import Example, as_example
from compress_lib.data.masking import mask_id, masked_examples
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


def evaluation_blocks(
    model: LanguageModel, spec: TextSpec, text: Text, seed: int = 0
) -> list[Example]:
    """Cut the text to measure on into examples.

    Args:
        model: Its tokenizer and its kind decide.
        spec: How much, in what pieces, by which protocol.
        text: The text.
        seed: For the words that a masked model has to guess.

    Raises:
        CompressionError: It is too short, or the context is longer than the model can read.
    """
    limit = model.max_context
    if limit and spec.context > limit:
        raise CompressionError(
            f"A context of {spec.context:,} tokens is longer than {model.id} can read; at most "
            f"{limit:,}."
        )
    if model.kind == "masked":
        return _lines(model, spec, text, spec.context, seed)
    ids = encode(model, text)
    own = spec.corpus == OWN_TEXT
    blocks = token_blocks(
        ids, tokens=spec.tokens, context=spec.context, name=text.name, at_most=own
    )
    return [as_example(block) for block in blocks]


def calibration_blocks(
    model: LanguageModel,
    spec: TextSpec,
    text: Text | None,
    evaluation: Sequence[Example],
    seed: int = 0,
) -> Calibration:
    """Cut the text to choose by into examples, if there is one.

    Raises:
        CompressionError: It is too short, or contains the text to measure on.
    """
    if text is None:
        return Calibration()
    context = min(spec.context, model.max_context or spec.context)
    if model.kind == "masked":
        examples = _lines(model, spec, text, context, seed)
        check_disjoint(_own_tokens(model, evaluation), _own_tokens(model, examples))
        inputs = tuple(example.inputs for example in examples)
        return Calibration(inputs, tuple(examples))
    ids = encode(model, text)[: spec.tokens]
    check_disjoint(_own_tokens(model, evaluation), ids)
    blocks = token_blocks(ids, tokens=spec.tokens, context=context, name=text.name, at_most=True)
    return Calibration(tuple(blocks))


def _lines(
    model: LanguageModel, spec: TextSpec, text: Text, context: int, seed: int
) -> list[Example]:
    return masked_examples(
        model.tokenizer,
        text.content,
        protocol=protocol_of(model, spec),
        tokens=spec.tokens,
        context=context,
        name=text.name,
        seed=seed,
    )


def _own_tokens(model: LanguageModel, examples: Sequence[Example]) -> list[int]:
    """Return the tokens of examples one after the other, without those put around a line."""
    ids: list[int] = [token for example in examples for token in example.ids.tolist()]
    if model.kind == "causal":
        return ids
    around = set(model.tokenizer.all_special_ids)
    return [token for token in ids if token not in around]


def token_blocks(
    ids: Sequence[int], *, tokens: int, context: int, name: str, at_most: bool = False
) -> list[Tensor]:
    """Cut the first tokens of a text into disjoint blocks.

    Args:
        ids: All tokens of the text.
        tokens: How many to use.
        context: Tokens in a block; the last block may be shorter.
        name: What to call the text in an error.
        at_most: Take a shorter text as it is.

    Returns:
        Blocks `[context]` of token ids, each with at least two tokens.

    Raises:
        CompressionError: The text has fewer tokens.
    """
    if len(ids) < 2 or (len(ids) < tokens and not at_most):
        raise CompressionError(
            f"{name} has {len(ids):,} tokens with this model's tokenizer, but {tokens:,} are "
            "asked for. Ask for fewer, or choose a longer text."
        )
    blocks = torch.tensor(ids[:tokens], dtype=torch.long).split(context)
    return [block for block in blocks if len(block) >= 2]
