"""What the named endpoints answer, field by field: clients and agents read these types."""

from __future__ import annotations

from typing import Any, TypedDict


class Offer(TypedDict):
    """A model on offer."""

    name: str
    hub_id: str
    parameters: int
    license: str


class Summary(TypedDict):
    """A run in short: its key, its name in words, its plan, and its numbers by name."""

    key: str
    run: str
    plan: dict[str, Any]
    metrics: dict[str, float]


class MatrixEstimate(TypedDict):
    """What a plan would do to a matrix or a group; without a rank where it is no factorization."""

    name: str
    method: str
    rank: int | None
    bytes_before: int
    bytes_after: int
    break_even_rank: int


class EstimateResponse(TypedDict):
    """What a plan would do to a model; the loss in nats a token, where it can be foretold."""

    expected_loss: float | None
    bytes_before: int
    bytes_after: int
    matrices: list[MatrixEstimate]


class ComparisonResponse(TypedDict):
    """How a second run differs from a first; intervals of 95 %, where blocks are known."""

    first: Summary
    second: Summary
    perplexity_ratio: float
    perplexity_ratio_interval: tuple[float, float] | None
    kl_difference: float
    kl_difference_interval: tuple[float, float] | None
    bytes_difference: int


class Record(TypedDict):
    """A run as `results.RunRecord` has it, which says what every field means."""

    key: str
    plan: dict[str, Any]
    created: str
    model: dict[str, Any]
    perplexity: dict[str, Any]
    agreement: dict[str, float]
    memory: dict[str, Any]
    targets: list[dict[str, Any]]
    direction: dict[str, Any] | None
    text: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    seconds: dict[str, float]
    environment: dict[str, str]
    estimated_loss: float | None
    speed: dict[str, Any] | None


class Standing(TypedDict):
    """How far a run is before there is a record of it: what it does, and the share that is done."""

    status: str
    fraction: float
