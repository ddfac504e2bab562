"""Generated text and mask predictions of both models: parts of a run record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WrittenToken:
    """A generated token with the probabilities that both models assign to it.

    Attributes:
        text: Its piece of the text; all pieces joined are the whole text. Bytes of an incomplete
            character move to the token that completes it.
        own: Probability under the model that generated it, at temperature 1.
        other: Probability under the other model at the same position.
    """

    text: str
    own: float
    other: float


@dataclass(frozen=True)
class TextRecord:
    """Continuations of a prompt by both models.

    `first_divergence` is the number of new tokens before the first difference; None if there is
    none. Older records have no tokens.
    """

    prompt: str
    baseline: str
    compressed: str
    first_divergence: int | None
    common: str
    baseline_tokens_per_second: float
    compressed_tokens_per_second: float
    baseline_tokens: tuple[WrittenToken, ...] = ()
    compressed_tokens: tuple[WrittenToken, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """A token predicted for a mask; `mask` is the index of the mask in the prompt, from 0."""

    mask: int
    token: str
    probability: float


@dataclass(frozen=True)
class FillRecord:
    """The most probable tokens of both models for each mask of a prompt, best first."""

    prompt: str
    baseline: tuple[Prediction, ...]
    compressed: tuple[Prediction, ...]
