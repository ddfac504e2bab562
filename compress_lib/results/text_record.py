"""What both models wrote or filled in: parts of a run's record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WrittenToken:
    """A token that a model wrote, as a piece of its text, and how likely both models found it.

    Attributes:
        text: Pieces joined are the whole text; a part of a character waits for its rest.
        own: Probability that the writer gave it, at temperature 1.
        other: Probability that the other model gave it in the same place.
    """

    text: str
    own: float
    other: float


@dataclass(frozen=True)
class TextRecord:
    """What both models wrote; `first_divergence` counts the new tokens that agree.

    Records that are older than tokens have none.
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
    """A token that a model puts in the place of a mask; `mask` counts a prompt's from 0."""

    mask: int
    token: str
    probability: float


@dataclass(frozen=True)
class FillRecord:
    """The likeliest tokens of both models for each mask of a prompt, best first."""

    prompt: str
    baseline: tuple[Prediction, ...]
    compressed: tuple[Prediction, ...]
