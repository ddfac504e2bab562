"""Response types of the endpoints, published as JSON schemas to clients and agents."""

from __future__ import annotations

from typing import Any, TypedDict


class Offer(TypedDict):
    """A model of the catalogue."""

    name: str
    hub_id: str
    parameters: int
    license: str


class Summary(TypedDict):
    """A run's key, description, plan, and metrics by name."""

    key: str
    run: str
    plan: dict[str, Any]
    metrics: dict[str, float]


class MatrixEstimate(TypedDict):
    """Predicted bytes of a matrix or group; `rank` is None unless the method factorizes."""

    name: str
    method: str
    rank: int | None
    bytes_before: int
    bytes_after: int
    break_even_rank: int


class EstimateResponse(TypedDict):
    """Predicted bytes and loss of a plan; `expected_loss` in nats/token, None if unknown."""

    expected_loss: float | None
    bytes_before: int
    bytes_after: int
    matrices: list[MatrixEstimate]


class ComparisonResponse(TypedDict):
    """Differences of a second run from a first; 95% intervals, None without block results."""

    first: Summary
    second: Summary
    perplexity_ratio: float
    perplexity_ratio_interval: tuple[float, float] | None
    kl_difference: float
    kl_difference_interval: tuple[float, float] | None
    bytes_difference: int


class Record(TypedDict):
    """A run as JSON; see `results.records.RunRecord` for the fields."""

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
    """Progress of a run: current activity, and the completed fraction from 0 to 1."""

    status: str
    fraction: float
