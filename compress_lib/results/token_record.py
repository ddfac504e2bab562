"""Direction errors and nearest neighbours of an embedding's tokens: parts of a run record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenError:
    """A token with the direction error of its embedding, and its count in the calibration text."""

    id: int
    token: str
    error: float
    count: int | None = None


@dataclass(frozen=True)
class Neighbour:
    """A neighbouring token, and the cosine similarity between both tokens' rows."""

    token: str
    cosine: float


@dataclass(frozen=True)
class TokenNeighbours:
    """The nearest neighbours of a token in the original and in the compressed embedding."""

    id: int
    before: tuple[Neighbour, ...]
    after: tuple[Neighbour, ...]


@dataclass(frozen=True)
class DirectionRecord:
    """Histogram of an embedding's direction errors, and details of selected tokens.

    Older records have only the first six fields.

    Attributes:
        target: The target's name.
        edges: The bin edges.
        counts: Rows per bin.
        control_counts: The same for random noise with the norm of each row's error.
        worst: The tokens with the largest direction errors, descending.
        best: The tokens with the smallest direction errors, ascending.
        frequent: The most frequent tokens of the calibration text.
        weighted_counts: Occurrences in the calibration text of the tokens in each bin; empty if
            no text was read.
        neighbours: The neighbours of all listed tokens.
    """

    target: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    control_counts: tuple[int, ...]
    worst: tuple[TokenError, ...]
    best: tuple[TokenError, ...]
    frequent: tuple[TokenError, ...] = ()
    weighted_counts: tuple[int, ...] = ()
    neighbours: tuple[TokenNeighbours, ...] = ()
