"""Perplexity of both models, and how alike their predictions are, on the same tokens.

Perplexity is exp(sum of −ln p ÷ predicted tokens). A causal model is scored on disjoint blocks
with nothing prepended, so that the first token of a block is not predicted; a masked one on lines
with hidden words, see `evaluation.masked`. Logits become log-probabilities in float32, and sums
are kept in float64.
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
"""Positions whose log-probabilities are held at once."""

Read = Callable[[LanguageModel, Example], tuple[Tensor, float]]
"""Returns a model's logits `[predictions, vocabulary]` of an example, and how long that took."""


def time_logits(model: LanguageModel, example: Example) -> tuple[Tensor, float]:
    """Return a model's logits `[predictions, vocabulary]`, and the seconds that they took."""
    started = time.perf_counter()
    logits = read_logits(model, example)
    # An accelerator works on while Python goes on; a number that is read has been computed.
    logits[-1, -1].item()
    return logits, time.perf_counter() - started


@dataclass(frozen=True)
class BlockScore:
    """Sums over the predictions of one block or line, and the seconds of each model's pass."""

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
    """A mean with its standard error, None where a single block gives none."""

    value: float
    stderr: float | None


@dataclass(frozen=True)
class Comparison:
    """Scores of the blocks so far."""

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
        """Compressed ÷ baseline perplexity; the error comes from block by block differences."""
        return self._exponential([b.compressed_nll - b.baseline_nll for b in self.blocks])

    @property
    def kl(self) -> float:
        """Mean KL(baseline ‖ compressed) in nats a token."""
        return sum(block.kl for block in self.blocks) / self.predictions

    @property
    def top1(self) -> float:
        """Share of tokens for which both models' likeliest token is the same."""
        return sum(block.same_first for block in self.blocks) / self.predictions

    def tokens_per_second(self, which: str) -> float | None:
        """How fast `baseline` or `compressed` read: the median over blocks, None if not timed.

        The first block warms up, and is left out where there are others.
        """
        timed = self.blocks[1:] or self.blocks
        rates = [b.tokens / s for b in timed if (s := getattr(b, f"{which}_seconds")) > 0]
        return median(rates) if rates else None

    def nll(self, which: str) -> float:
        """Summed negative log-likelihood in nats of `baseline` or `compressed`."""
        return float(sum(getattr(block, f"{which}_nll") for block in self.blocks))

    def _exponential(self, sums: Sequence[float]) -> Estimate:
        mean = sum(sums) / self.predictions
        value = math.exp(mean) if mean < 700 else math.inf
        # Delta method: the error of exp(m) is exp(m) times the error of m, and blocks are the
        # independent draws, because tokens of one block depend on each other. Lines have
        # different numbers of predictions, so m is a ratio of two sums.
        error = ratio_standard_error(sums, [block.predictions for block in self.blocks])
        return Estimate(value, None if error is None else value * error)


def compare(
    baseline: LanguageModel,
    compressed: LanguageModel,
    blocks: Sequence[Tensor | Example],
    tick: Callable[[float], None] = lambda share: None,
    read: Read = time_logits,
) -> Iterator[Comparison]:
    """Score both models block by block; each step yields all that is known so far.

    Args:
        baseline: The original.
        compressed: The compressed model.
        blocks: Examples, or plain blocks `[length]` of token ids for causal models.
        tick: Told the share that is done after each model's pass; may raise `StoppedError`.
        read: Reads with the original; it may remember what it read, see `evaluation.remembered`.

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
    """Return one model's perplexity; see `compare` for `blocks`.

    Raises:
        CompressionError: Its logits are not finite.
    """
    total, predictions = 0.0, 0
    for block in blocks:
        example = as_example(block)
        logits = read_logits(model, example)
        following = example.labels.to(logits.device)
        for part, ids in zip(logits.split(CHUNK), following.split(CHUNK), strict=True):
            total += float(torch.nn.functional.cross_entropy(part.float(), ids, reduction="sum"))
        predictions += len(following)
    if not math.isfinite(total):
        raise _not_finite(model)
    mean = total / predictions
    return math.exp(mean) if mean < 700 else math.inf


def score(model: LanguageModel, base: Tensor, other: Tensor, example: Example) -> BlockScore:
    """Score a model's logits `[predictions, vocabulary]` of an example beside the baseline's.

    Raises:
        CompressionError: They are not finite.
    """
    found = _score_block(base, other, example.labels.to(base.device))
    if found is None:
        raise _not_finite(model)
    return found


def read_logits(model: LanguageModel, example: Example) -> Tensor:
    """Return a model's logits `[predictions, vocabulary]` where an example is predicted."""
    with torch.inference_mode():
        return predict(model, example)


def predict(model: LanguageModel, example: Example) -> Tensor:
    """Do what `read_logits` does, for gradients too."""
    device = model.device
    if example.mask is None:
        # A view: positions of a causal example are all but the last.
        found = model.module(example.ids[None].to(device), use_cache=False).logits
        return found[0, : len(example.labels)]  # type: ignore[no-any-return]
    if not example.singly:
        found = model.module(example.inputs[None].to(device)).logits
        return found[0, example.positions.to(device)]  # type: ignore[no-any-return]
    parts = []
    for batch, positions in example.copies():
        found = model.module(batch.to(device)).logits
        parts.append(found[torch.arange(len(positions)), positions])
    return torch.cat(parts)


def _score_block(base: Tensor, other: Tensor, following: Tensor) -> BlockScore | None:
    """Score logits `[predictions, vocabulary]` of both models; None if they are not finite."""
    sums = torch.zeros(4, dtype=torch.float64)
    with torch.inference_mode():
        for first in range(0, len(following), CHUNK):
            part = slice(first, first + CHUNK)
            p = base[part].float().log_softmax(-1)
            q = other[part].float().log_softmax(-1)
            ids = following[part, None]
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
    return BlockScore(len(following), nll, other_nll, kl, int(same))


def _not_finite(model: LanguageModel) -> NotFiniteError:
    return NotFiniteError(
        f"The predictions of {model.id} are not finite (NaN or infinity), so there is no "
        "perplexity. Its weights or its compression are broken."
    )
