"""Base class of embedding and LM head methods: token importance and hidden-state metric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import BudgetError
from compress_lib.methods.base import Method, option
from compress_lib.methods.row_importance import row_importance
from compress_lib.methods.row_weights import power_option, prior_option, smoothing_option
from compress_lib.models.targets import TABLES
from compress_lib.utils.formatting import format_keep

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.statistics import Statistics
    from compress_lib.methods.token_tables.whitening import WhitenedTable
    from compress_lib.models.targets import Target

SPAN = 128
"""Total rows ÷ rows of the smallest block. Block sizes grow geometrically, because Zipf's law
spreads tokens evenly over powers of ten."""


@dataclass(frozen=True, kw_only=True)
class TokenTableMethod(Method):
    """Method for a matrix with one row per token: an embedding or an LM head.

    Minimises Σ_v f_v (e_v − ê_v)ᵀ M (e_v − ê_v) over the rows e_v. f_v is a power of token v's
    smoothed count. M is the second moment of the LM head's inputs, the model's final hidden
    states, shrunk towards its mean diagonal; for an embedding that is only looked up, M is the
    identity.

    On the default model's tied embedding, powers of 0.5 to 0.7 work best: an error in a rare
    token costs more than its count suggests, because a badly wrong logit takes probability from
    every other token.
    """

    families: ClassVar[tuple[str, ...] | None] = TABLES
    supports_sharing: ClassVar[bool] = False

    power: float = power_option(0.6)
    smoothing: float = smoothing_option()
    prior: str = prior_option()
    metric: str = option(
        "hidden",
        "Metric",
        "hidden: errors weighted by the final hidden states, where the matrix is an LM head; "
        "plain: all directions weighted equally.",
        choices=("hidden", "plain"),
    )
    shrinkage: float = option(
        0.05,
        "Shrinkage",
        "Shrinkage of the hidden states' second moment towards the identity.",
        minimum=1e-4,
        maximum=1.0,
    )

    @property
    def required_statistics(self) -> frozenset[str]:
        """Token counts and, with the hidden metric, the second moment of the inputs."""
        moment = {"second_moment"} if self.metric == "hidden" else set()
        return frozenset({"row_counts", *moment})

    def for_target(self, target: Target) -> Method:
        """See `Method.for_target`: an untied embedding gets the plain metric."""
        return replace(self, metric="plain") if target.only_looked_up else self

    def importance(self, statistics: Statistics) -> Tensor:
        """Return the token importance f `[rows]` in float64, with mean 1."""
        return row_importance(
            statistics, power=self.power, smoothing=self.smoothing, prior=self.prior
        )

    def coordinates(self, weight: Tensor, statistics: Statistics) -> WhitenedTable:
        """Return the matrix in whitened coordinates, where errors in all directions cost the same.

        Args:
            weight: `[rows, cols]`.
            statistics: Token counts and, with the hidden metric, the second moment of the inputs.
        """
        from compress_lib.methods.token_tables.whitening import WhitenedTable

        moment = statistics.require("second_moment") if self.metric == "hidden" else None
        return WhitenedTable.of(weight, self.importance(statistics), moment, self.shrinkage)


def block_ends(rows: int, count: int) -> list[int]:
    """Return the end of each block of rows, geometrically spaced.

    Args:
        rows: Number of rows.
        count: Maximum number of blocks; few rows give fewer.
    """
    first = max(1.0, rows / SPAN)
    steps = max(count - 1, 1)
    ends = {round(first * (rows / first) ** (index / steps)) for index in range(count)}
    return sorted({*ends, rows}) if count > 1 else [rows]


def too_few_bytes(budget: int, least: int, shape: tuple[int, int], itemsize: int) -> BudgetError:
    """Build the error for a budget below the smallest size that a method can store.

    Args:
        budget: Bytes allowed.
        least: Bytes of the smallest result.
        shape: `[rows, cols]` of the matrix.
        itemsize: Bytes of a number in the checkpoint's type.
    """
    rows, cols = shape
    return BudgetError(
        f"{budget:,} bytes are too few for a {rows} × {cols} matrix: it needs at least "
        f"{least:,} bytes, a keep of {format_keep(least / (rows * cols * itemsize))}."
    )
