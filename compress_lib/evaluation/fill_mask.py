"""What masked models put in the place of a mask: their likeliest tokens, side by side."""

from __future__ import annotations

import re

import torch

from compress_lib.data.masking import mask_id
from compress_lib.errors import CompressionError
from compress_lib.models.loading import LanguageModel
from compress_lib.results.text_record import FillRecord, Prediction

LISTED = 5
"""Tokens told for each mask."""

SPELLINGS = (r"\[MASK\]", r"<mask>", r"_{3,}")
"""How people write a mask, whatever the tokenizer's own is called."""


def fill_both(baseline: LanguageModel, compressed: LanguageModel, prompt: str) -> FillRecord:
    """Let both models fill in the masks of a prompt.

    Args:
        baseline: The original, a masked language model.
        compressed: The compressed model.
        prompt: See `with_masks` for how a mask is written.

    Raises:
        CompressionError: The prompt is not text or too long for the model, or the tokenizer has
            no mask.
    """
    written = with_masks(prompt, str(baseline.tokenizer.mask_token))
    return FillRecord(written, fill(baseline, written), fill(compressed, written))


def with_masks(prompt: str, mask: str) -> str:
    """Return a prompt with its masks in the tokenizer's own spelling.

    A mask may be written as that, as `[MASK]`, as `<mask>` or as three or more underscores. A
    prompt without any gets one at its end, before a full stop: with nothing behind it a model
    would guess the full stop itself.
    """
    pattern = "|".join([re.escape(mask), *SPELLINGS])
    written, count = re.subn(pattern, lambda found: mask, prompt)
    if count:
        return written
    bare = prompt.rstrip()
    end = bare[-1] if bare[-1:] in (".", "!", "?") else "."
    return f"{bare.removesuffix(end).rstrip()} {mask}{end}"


def fill(model: LanguageModel, prompt: str) -> tuple[Prediction, ...]:
    """Return a masked model's likeliest tokens for each mask of a prompt, best first.

    Raises:
        CompressionError: The prompt is not text or too long, or the predictions are not finite.
    """
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise CompressionError(f"The prompt is not text ({error.reason}).") from error
    hidden = mask_id(model.tokenizer)
    ids = torch.tensor(model.tokenizer(prompt, verbose=False)["input_ids"])
    limit = model.max_context
    if limit and len(ids) > limit:
        raise CompressionError(
            f"The prompt has {len(ids):,} tokens, which is more than the {limit:,} this model can "
            "read. Shorten it."
        )
    places = (ids == hidden).nonzero()[:, 0]
    with torch.inference_mode():
        logits = model.module(ids[None].to(model.device)).logits[0, places.to(model.device)]
        best = logits.float().softmax(-1).topk(LISTED)
    if not bool(torch.isfinite(best.values).all()):
        raise CompressionError(f"The predictions of {model.id} are not finite (NaN or infinity).")
    return tuple(
        Prediction(mask, str(model.tokenizer.decode([token])), probability)
        for mask, row in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        for token, probability in zip(*row, strict=True)
    )
