"""Perplexity, KL divergence and top-1 agreement of both models on the same tokens.

Perplexity is exp(sum of −ln p ÷ predicted tokens). A causal model is scored on disjoint blocks
without a prepended token, so the first token of a block is not predicted; a masked model is
scored on lines with masked words, see `data.masking`. Log-probabilities are computed in float32
and summed in float64.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import Tensor

from compress_lib.data.examples import Example, as_example
from compress_lib.errors import NotFiniteError
from compress_lib.models.loading import LanguageModel
from compress_lib.results.confidence import ratio_standard_error

CHUNK = 256
"""Positions whose log-probabilities are in memory at once."""

Read = Callable[[LanguageModel, Example], tuple[Tensor, float]]
"""Returns a model's logits `[predictions, vocabulary]` for an example, and the seconds it took."""


def time_logits(model: LanguageModel, example: Example) -> tuple[Tensor, float]:
    """Return a model's logits `[predictions, vocabulary]`, and the seconds of the forward pass.

    Args:
        model: The model.
        example: The tokens to predict.
    """
    started = time.perf_counter()
    logits = read_logits(model, example)
    # Accelerators run asynchronously; reading a number waits for the result.
    logits[-1, -1].item()
    return logits, time.perf_counter() - started


@dataclass(frozen=True)
class BlockScore:
    """Sums over the predictions of one block or line, and the seconds of each forward pass."""

    predictions: int
    baseline_nll: float
    compressed_nll: float
    kl: float
    same_first: int
    tokens: int = 0
    baseline_seconds: float = 0.0
    compressed_seconds: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """An estimate with its standard error; None for a single block."""

    value: float
    stderr: float | None


@dataclass(frozen=True)
class Comparison:
    """Scores of both models over all blocks so far."""

    blocks: tuple[BlockScore, ...]

    @property
    def predictions(self) -> int:
        """The number of predicted tokens."""
        return sum(block.predictions for block in self.blocks)

    @property
    def baseline(self) -> Estimate:
        """Perplexity of the baseline."""
        return self._exponential([block.baseline_nll for block in self.blocks])

    @property
    def compressed(self) -> Estimate:
        """Perplexity of the compressed model."""
        return self._exponential([block.compressed_nll for block in self.blocks])

    @property
    def ratio(self) -> Estimate:
        """Compressed ÷ baseline perplexity; its error comes from paired differences per block."""
        return self._exponential([b.compressed_nll - b.baseline_nll for b in self.blocks])

    @property
    def kl(self) -> float:
        """Mean KL(baseline ‖ compressed) in nats per token."""
        return sum(block.kl for block in self.blocks) / self.predictions

    @property
    def top1(self) -> float:
        """Top-1 agreement: share of predictions for which both models rank the same token first."""
        return sum(block.same_first for block in self.blocks) / self.predictions

    def tokens_per_second(self, which: str) -> float | None:
        """Return the median prefill speed of `baseline` or `compressed`; None if not timed.

        The first block is a warm-up and is excluded if there are others.
        """
        timed = self.blocks[1:] or self.blocks
        rates = [b.tokens / s for b in timed if (s := getattr(b, f"{which}_seconds")) > 0]
        return median(rates) if rates else None

    def nll(self, which: str) -> float:
        """Return the summed negative log-likelihood of `baseline` or `compressed` in nats."""
        return float(sum(getattr(block, f"{which}_nll") for block in self.blocks))

    def _exponential(self, sums: Sequence[float]) -> Estimate:
        mean = sum(sums) / self.predictions
        value = math.exp(mean) if mean < 700 else math.inf
        # Delta method: the error of exp(m) is exp(m) times the error of m. Blocks are the
        # independent draws, because tokens within a block are correlated. Lines have different
        # numbers of predictions, so m is a ratio estimator.
        error = ratio_standard_error(sums, [block.predictions for block in self.blocks])
        return Estimate(value, None if error is None else value * error)


def compare(
    baseline: LanguageModel,
    compressed: LanguageModel,
    blocks: Sequence[Tensor | Example],
    tick: Callable[[float], None] = lambda share: None,
    read: Read = time_logits,
) -> Iterator[Comparison]:
    """Score both models block by block.

    Args:
        baseline: The original.
        compressed: The compressed model.
        blocks: Examples, or plain blocks `[length]` of token ids for causal models.
        tick: Called with the completed share after each model's pass; may raise `StoppedError`.
        read: Runs the baseline; may cache its logits, see `evaluation.logits_cache`.

    Yields:
        After every block, the comparison over all blocks so far.

    Raises:
        CompressionError: A model's logits are not finite.
    """
    scores: list[BlockScore] = []
    for index, block in enumerate(blocks):
        example = as_example(block)
        base_logits, base_seconds = read(baseline, example)
        tick((index + 0.5) / len(blocks))
        other_logits, other_seconds = time_logits(compressed, example)
        scores.append(
            replace(
                score(compressed, base_logits, other_logits, example),
                tokens=len(example.ids) * (len(example.positions) if example.singly else 1),
                baseline_seconds=base_seconds,
                compressed_seconds=other_seconds,
            )
        )
        tick((index + 1) / len(blocks))
        yield Comparison(tuple(scores))


def perplexity(model: LanguageModel, blocks: Sequence[Tensor | Example]) -> float:
    """Return the perplexity of one model.

    Args:
        model: The model.
        blocks: Examples, or plain blocks `[length]` of token ids for causal models.

    Raises:
        CompressionError: The logits are not finite.
    """
    total, predictions = 0.0, 0
    for block in blocks:
        example = as_example(block)
        logits = read_logits(model, example)
        labels = example.labels.to(logits.device)
        for part, ids in zip(logits.split(CHUNK), labels.split(CHUNK), strict=True):
            total += float(torch.nn.functional.cross_entropy(part.float(), ids, reduction="sum"))
        predictions += len(labels)
    if not math.isfinite(total):
        raise _not_finite(model)
    mean = total / predictions
    return math.exp(mean) if mean < 700 else math.inf


def score(model: LanguageModel, base: Tensor, other: Tensor, example: Example) -> BlockScore:
    """Compare the logits of both models on one example.

    Args:
        model: The compressed model, for the error message.
        base: The baseline's logits `[predictions, vocabulary]`.
        other: The compressed model's logits, of the same shape.
        example: The example with its labels.

    Raises:
        CompressionError: The logits are not finite.
    """
    block = _score_block(base, other, example.labels.to(base.device))
    if block is None:
        raise _not_finite(model)
    return block


def read_logits(model: LanguageModel, example: Example) -> Tensor:
    """Return a model's logits `[predictions, vocabulary]` at the predicted positions.

    Args:
        model: The model.
        example: The tokens to predict.
    """
    with torch.inference_mode():
        return predict(model, example)


def predict(model: LanguageModel, example: Example) -> Tensor:
    """Return the same logits as `read_logits`, with gradients if they are enabled."""
    device = model.device
    if example.mask is None:
        # A slice is a view, unlike indexing by positions, which are all but the last.
        logits = model.module(example.ids[None].to(device), use_cache=False).logits
        return logits[0, : len(example.labels)]  # type: ignore[no-any-return]
    if not example.singly:
        logits = model.module(example.inputs[None].to(device)).logits
        return logits[0, example.positions.to(device)]  # type: ignore[no-any-return]
    parts = []
    for batch, positions in example.copies():
        logits = model.module(batch.to(device)).logits
        parts.append(logits[torch.arange(len(positions)), positions])
    return torch.cat(parts)


def _score_block(base: Tensor, other: Tensor, labels: Tensor) -> BlockScore | None:
    """Score logits `[predictions, vocabulary]` of both models; None if they are not finite."""
    sums = torch.zeros(4, dtype=torch.float64)
    with torch.inference_mode():
        for first in range(0, len(labels), CHUNK):
            part = slice(first, first + CHUNK)
            p = base[part].float().log_softmax(-1)
            q = other[part].float().log_softmax(-1)
            ids = labels[part, None]
            sums += torch.stack(
                [
                    -p.gather(1, ids).double().sum(),
                    -q.gather(1, ids).double().sum(),
                    (p.exp() * (p - q)).double().sum(),
                    (p.argmax(-1) == q.argmax(-1)).double().sum(),
                ]
            ).cpu()
    if not bool(torch.isfinite(sums).all()):
        return None
    nll, other_nll, kl, same = sums.tolist()
    return BlockScore(len(labels), nll, other_nll, kl, int(same))


def _not_finite(model: LanguageModel) -> NotFiniteError:
    return NotFiniteError(
        f"The predictions of {model.id} are not finite (NaN or infinity), so its perplexity is "
        "undefined. Its weights are corrupt, or their compression failed."
    )
