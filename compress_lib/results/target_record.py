"""Record of one compressed weight: bytes, reconstruction errors and training history."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DirectionError:
    """Statistics of 1 − cos per row; `weighted_mean` weights rows by token counts, if known."""

    mean: float
    p50: float
    p95: float
    max: float
    weighted_mean: float | None = None


@dataclass(frozen=True)
class TargetRecord:
    """One compressed weight.

    Attributes:
        bytes_after: Its own bytes plus its part of the tensors that its `group` shares.
        rmse: Root mean squared error of the entries.
        mae: Mean absolute error of the entries.
        powered_mae: Mean of |error|^0.6 of the entries (Banaei et al. 2023).
        group: Description of the group that it was compressed with; None if compressed alone.
        orientation: Whether its `rows` or its `columns` were the data.
        decode_cost: Multiply-adds to decode it in every forward pass.
        history: Training metrics by name, one value per evaluation; for a group, only the first
            target has them.
    """

    names: tuple[str, ...]
    family: str
    layer: int | None
    rows: int
    cols: int
    method: str
    rank: int | None
    bytes_before: int
    bytes_after: int
    relative_error: float
    squared_norm: float
    direction_error: DirectionError
    seconds: float
    rmse: float | None = None
    mae: float | None = None
    powered_mae: float | None = None
    group: str | None = None
    orientation: str = "rows"
    decode_cost: int = 0
    history: dict[str, tuple[float, ...]] = field(default_factory=dict)
    head_dim: int | None = None

    @property
    def errors(self) -> dict[str, float | None]:
        """Every metric of `metrics.ERRORS`; None if the record is older than the metric."""
        return {
            "relative_error": self.relative_error,
            "direction_error": self.direction_error.mean,
            "rmse": self.rmse,
            "mae": self.mae,
            "powered_mae": self.powered_mae,
        }
