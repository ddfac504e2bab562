"""Text generation with both models from the same prompt and seed."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing
from functools import partial

import torch
from transformers import GenerationConfig

from compress_lib.errors import CompressionError
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.plan import Generation
from compress_lib.results.text_record import TextRecord, WrittenToken
from compress_lib.utils.generators import iterate_callbacks

Listener = Callable[[str], None]
"""Called with the text generated so far; may raise `StoppedError`."""


def ignore(text: str) -> None:
    """Discard the text."""


class _Streamer:
    """Streamer for `generate`, which passes the prompt first and then one token at a time."""

    def __init__(self, model: LanguageModel, listener: Listener) -> None:
        self._tokenizer = model.tokenizer
        self._listener = listener
        self._ids: list[int] | None = None

    def put(self, value: torch.Tensor) -> None:
        if self._ids is None:
            self._ids = []
            return
        self._ids += value.flatten().tolist()
        # The listener may advance the other model, which draws from the same generator.
        with torch.random.fork_rng():
            self._listener(str(self._tokenizer.decode(self._ids, skip_special_tokens=True)))

    def end(self) -> None:
        """Do nothing: `put` buffers no text."""


def write(
    model: LanguageModel,
    prompt: str,
    how: Generation,
    *,
    seed: int = 0,
    listener: Listener = ignore,
) -> list[int]:
    """Continue a prompt with one model.

    Args:
        model: The model.
        prompt: The beginning of the text.
        how: Length and temperature.
        seed: The sampling seed; the same for both models.
        listener: Called with the text so far after every token.

    Returns:
        The new token ids.

    Raises:
        CompressionError: The prompt is empty, not valid Unicode, or too long for the model.
    """
    ids = _prompt_ids(model, prompt, how.max_new_tokens)
    # A shallow copy with our settings: a checkpoint may configure beams, penalties or filters.
    module = copy.copy(model.module)
    module.generation_config = _settings(model, how)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        output = module.generate(  # type: ignore[operator]
            ids,
            generation_config=module.generation_config,
            attention_mask=torch.ones_like(ids),
            streamer=_Streamer(model, listener),
        )
    new: list[int] = output[0, ids.shape[1] :].tolist()
    return new


def _prompt_ids(model: LanguageModel, prompt: str, new_tokens: int) -> torch.Tensor:
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise CompressionError(f"The prompt is not valid Unicode text ({error.reason}).") from error
    encoded = model.tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    ids: torch.Tensor = encoded["input_ids"].to(model.device)
    count, limit = ids.shape[1], model.max_context
    if not count:
        raise CompressionError("The prompt is empty: enter the beginning of a text.")
    if limit and count + new_tokens > limit:
        raise CompressionError(
            f"The prompt has {count:,} tokens; with {new_tokens} new tokens it exceeds the model's "
            f"context of {limit:,} tokens. Shorten the prompt."
        )
    return ids


def _settings(model: LanguageModel, how: Generation) -> GenerationConfig:
    """Return the plan's settings; only the end-of-text tokens come from the checkpoint."""
    config = model.module.generation_config
    common = {
        "eos_token_id": config.eos_token_id if config else model.tokenizer.eos_token_id,
        "pad_token_id": model.tokenizer.eos_token_id or 0,
        "max_new_tokens": how.max_new_tokens,
    }
    if how.temperature > 0:
        return GenerationConfig(
            **common, do_sample=True, temperature=how.temperature, top_k=0, top_p=1.0
        )
    return GenerationConfig(**common, do_sample=False)


def write_both(
    baseline: LanguageModel,
    compressed: LanguageModel,
    prompt: str,
    how: Generation,
    *,
    seed: int = 0,
    listener: Callable[[str, str], None] = lambda which, text: None,
) -> TextRecord:
    """Continue a prompt with both models, alternating per token, and find the first divergence.

    Args:
        baseline: The original.
        compressed: The compressed model.
        prompt: The beginning of the text.
        how: Length and temperature.
        seed: The sampling seed, the same for both models.
        listener: Called with `baseline` or `compressed` and that model's text so far.
    """
    # Each model samples as if it ran alone, although both share the global generator.
    with torch.random.fork_rng():
        writers = {
            which: iterate_callbacks(partial(_write, model, prompt, how, seed))
            for which, model in (("baseline", baseline), ("compressed", compressed))
        }
        ids, speeds = _alternate(writers, listener)
    divergence = first_divergence(ids["baseline"], ids["compressed"])
    decode = baseline.tokenizer.decode
    scored = [
        score_tokens(writer, other, prompt, ids[which])
        for which, writer, other in (
            ("baseline", baseline, compressed),
            ("compressed", compressed, baseline),
        )
    ]
    return TextRecord(
        prompt=prompt,
        baseline=str(decode(ids["baseline"], skip_special_tokens=True)),
        compressed=str(decode(ids["compressed"], skip_special_tokens=True)),
        first_divergence=divergence,
        common=str(decode(ids["baseline"][:divergence], skip_special_tokens=True)),
        baseline_tokens_per_second=speeds["baseline"],
        compressed_tokens_per_second=speeds["compressed"],
        baseline_tokens=scored[0],
        compressed_tokens=scored[1],
    )


def _write(
    model: LanguageModel, prompt: str, how: Generation, seed: int, listener: Listener
) -> list[int]:
    return write(model, prompt, how, seed=seed, listener=listener)


def _alternate(
    writers: Mapping[str, Generator[str, None, list[int]]], listener: Callable[[str, str], None]
) -> tuple[dict[str, list[int]], dict[str, float]]:
    """Advance all writers one token at a time; return token ids and tokens per second by name."""
    ids: dict[str, list[int]] = {}
    seconds = dict.fromkeys(writers, 0.0)
    with ExitStack() as stack:
        for writer in writers.values():
            stack.enter_context(closing(writer))
        while len(ids) < len(writers):
            for which in [name for name in writers if name not in ids]:
                started, text = time.perf_counter(), None
                try:
                    text = next(writers[which])
                except StopIteration as end:
                    ids[which] = end.value
                seconds[which] += time.perf_counter() - started
                if text is not None:
                    listener(which, text)
    return ids, {which: len(ids[which]) / seconds[which] for which in writers}


def score_tokens(
    writer: LanguageModel, other: LanguageModel, prompt: str, new: list[int]
) -> tuple[WrittenToken, ...]:
    """Return the tokens of a generated text with the probabilities that both models assign.

    Args:
        writer: The model that generated the text.
        other: The other model.
        prompt: The beginning of the text.
        new: The generated token ids.
    """
    ids = [*_prompt_ids(writer, prompt, len(new))[0].tolist(), *new]
    own, theirs = (_probabilities(model, ids, len(new)) for model in (writer, other))
    pieces = _pieces(writer, new)
    return tuple(WrittenToken(*token) for token in zip(pieces, own, theirs, strict=True))


def _probabilities(model: LanguageModel, ids: list[int], count: int) -> list[float]:
    """Return the probabilities of the last `count` tokens of a text."""
    if not count:
        return []
    batch = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        logits = model.module(batch, use_cache=False).logits[0, -count - 1 : -1].float()
        probabilities = logits.softmax(-1).gather(1, batch[0, -count:, None])
    return [round(value, 6) for value in probabilities.flatten().tolist()]


def _pieces(model: LanguageModel, new: list[int]) -> list[str]:
    """Return the text that each token adds; incomplete characters move to a later token."""
    emitted, pieces = "", []
    for count in range(1, len(new) + 1):
        text = str(model.tokenizer.decode(new[:count], skip_special_tokens=True))
        complete = text if count == len(new) or not text.endswith("\ufffd") else emitted
        pieces.append(complete[len(emitted) :])
        emitted = complete
    return pieces


def first_divergence(a: list[int], b: list[int]) -> int | None:
    """Return the index of the first token that differs between two sequences, or None."""
    for position, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return position
    return None if len(a) == len(b) else min(len(a), len(b))
