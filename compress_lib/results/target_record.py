"""Records of compressed weights. Knows no torch."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DirectionError:
    """1 − cos per row. `weighted_mean` weighs rows by token counts, where there are any."""

    mean: float
    p50: float
    p95: float
    max: float
    weighted_mean: float | None = None


@dataclass(frozen=True)
class TargetRecord:
    """One compressed weight.

    Attributes:
        bytes_after: Its own bytes, and its part of what its `group` shares.
        rmse: Root of the mean squared error of the entries.
        mae: Mean absolute error of the entries.
        powered_mae: Mean of |error| ^ 0.6, the measure of Banaei et al. 2023.
        group: The matrices that it was compressed together with, in words.
        orientation: Whether its `rows` or its `columns` were the data.
        decode_cost: Multiply-adds that decoding it takes at every call of the model.
        history: What a method that trains noted at every look, by name; for a group, with the
            first of its targets.
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
        """Every number of `metrics.ERRORS`; None in a record that is older than the number."""
        return {
            "relative_error": self.relative_error,
            "direction_error": self.direction_error.mean,
            "rmse": self.rmse,
            "mae": self.mae,
            "powered_mae": self.powered_mae,
        }
