"""How far each token of a table turned, and who is near it: parts of a run's record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenError:
    """A token and the direction error of its embedding."""

    id: int
    token: str
    error: float
    count: int | None = None


@dataclass(frozen=True)
class Neighbour:
    """A token, and the cosine between its row and that of the token that it is a neighbour of."""

    token: str
    cosine: float


@dataclass(frozen=True)
class TokenNeighbours:
    """The nearest rows to a token's row in the original table, and in the compressed one."""

    id: int
    before: tuple[Neighbour, ...]
    after: tuple[Neighbour, ...]


@dataclass(frozen=True)
class DirectionRecord:
    """The embedding's direction errors as a histogram, and some of its tokens.

    Older records have only the first six.

    Attributes:
        target: The table's name.
        edges: Of the bins.
        counts: Rows in each bin.
        control_counts: The same for random noise as large, row by row, as the error.
        worst: The tokens that turned most, the first most of all.
        best: The tokens that turned least, the first least of all.
        frequent: The tokens that the calibration text has most often.
        weighted_counts: Occurrences in the calibration text of the tokens in each bin; empty
            where no text was read.
        neighbours: Of all the tokens that are listed.
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
