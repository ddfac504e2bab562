"""Fill-mask predictions of both models: the most probable tokens for each mask of a prompt."""

from __future__ import annotations

import re

import torch

from compress_lib.data.masking import mask_id
from compress_lib.errors import CompressionError
from compress_lib.models.loading import LanguageModel
from compress_lib.results.text_record import FillRecord, Prediction

LISTED = 5
"""Predicted tokens per mask."""

SPELLINGS = (r"\[MASK\]", r"<mask>", r"_{3,}")
"""Spellings of a mask that are accepted in addition to the tokenizer's own."""


def fill_both(baseline: LanguageModel, compressed: LanguageModel, prompt: str) -> FillRecord:
    """Fill in the masks of a prompt with both models.

    Args:
        baseline: The original, a masked language model.
        compressed: The compressed model.
        prompt: The prompt; see `with_masks` for the spelling of masks.

    Raises:
        CompressionError: The prompt is not valid Unicode or too long for the model, or the
            tokenizer has no mask token.
    """
    masked = with_masks(prompt, str(baseline.tokenizer.mask_token))
    return FillRecord(masked, fill(baseline, masked), fill(compressed, masked))


def with_masks(prompt: str, mask: str) -> str:
    """Return a prompt with its masks in the tokenizer's own spelling.

    A mask may also be written as `[MASK]`, `<mask>` or three or more underscores. A prompt
    without a mask gets one at its end, followed by a full stop: without it, the model would
    predict the full stop.

    Args:
        prompt: The prompt as the user entered it.
        mask: The tokenizer's mask token.
    """
    pattern = "|".join([re.escape(mask), *SPELLINGS])
    # A function, because a mask token as replacement string could contain backslashes.
    replaced, count = re.subn(pattern, lambda match: mask, prompt)
    if count:
        return replaced
    bare = prompt.rstrip()
    end = bare[-1] if bare[-1:] in (".", "!", "?") else "."
    return f"{bare.removesuffix(end).rstrip()} {mask}{end}"


def fill(model: LanguageModel, prompt: str) -> tuple[Prediction, ...]:
    """Return a masked model's most probable tokens for each mask of a prompt, best first.

    Args:
        model: The masked language model.
        prompt: The prompt, with masks in the tokenizer's spelling.

    Raises:
        CompressionError: The prompt is not valid Unicode or too long, or the predictions are not
            finite.
    """
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise CompressionError(f"The prompt is not valid Unicode text ({error.reason}).") from error
    mask_token_id = mask_id(model.tokenizer)
    ids = torch.tensor(model.tokenizer(prompt, verbose=False)["input_ids"])
    limit = model.max_context
    if limit and len(ids) > limit:
        raise CompressionError(
            f"The prompt has {len(ids):,} tokens, but the model's context is {limit:,} tokens. "
            "Shorten the prompt."
        )
    positions = (ids == mask_token_id).nonzero()[:, 0]
    with torch.inference_mode():
        logits = model.module(ids[None].to(model.device)).logits[0, positions.to(model.device)]
        best = logits.float().softmax(-1).topk(LISTED)
    if not bool(torch.isfinite(best.values).all()):
        raise CompressionError(f"The predictions of {model.id} are not finite (NaN or infinity).")
    return tuple(
        Prediction(mask, str(model.tokenizer.decode([token])), probability)
        for mask, row in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        for token, probability in zip(*row, strict=True)
    )
