"""What methods for token tables have in common: which token counts, and which direction."""

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
"""How often the smallest block of rows goes into the whole table: Zipf's law spreads tokens
evenly over powers of ten."""


@dataclass(frozen=True, kw_only=True)
class TokenTableMethod(Method):
    """Minimises Σ_v f_v (e_v − ê_v)ᵀ M (e_v − ê_v) over the rows e_v of a table.

    f_v is a power of token v's smoothed count. M is the second moment of what the table
    multiplies, a model's final hidden states, shrunk towards its mean diagonal; where a table is
    only looked up, M is the identity.

    On the default model's tied table powers of 0.5 to 0.7 are best: an error of a rare token
    costs more than the share of its count, because a logit that is wrong by much takes
    probability from every other token.
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
        """Counts of every token, and what the table multiplies."""
        moment = {"second_moment"} if self.metric == "hidden" else set()
        return frozenset({"row_counts", *moment})

    def for_target(self, target: Target) -> Method:
        """See `Method.for_target`: a table that is only looked up sees no hidden states."""
        return replace(self, metric="plain") if target.only_looked_up else self

    def importance(self, statistics: Statistics) -> Tensor:
        """Return f `[rows]` in float64, mean 1."""
        return row_importance(
            statistics, power=self.power, smoothing=self.smoothing, prior=self.prior
        )

    def coordinates(self, weight: Tensor, statistics: Statistics) -> WhitenedTable:
        """Return a table `[rows, cols]` in coordinates in which all errors count alike."""
        from compress_lib.methods.token_tables.whitening import WhitenedTable

        moment = statistics.require("second_moment") if self.metric == "hidden" else None
        return WhitenedTable.of(weight, self.importance(statistics), moment, self.shrinkage)


def block_ends(rows: int, count: int) -> list[int]:
    """Return where blocks of rows end whose sizes grow by a constant factor, at most `count`."""
    first = max(1.0, rows / SPAN)
    steps = max(count - 1, 1)
    ends = {round(first * (rows / first) ** (index / steps)) for index in range(count)}
    return sorted({*ends, rows}) if count > 1 else [rows]


def too_few_bytes(budget: int, least: int, shape: tuple[int, int], itemsize: int) -> BudgetError:
    """Build the error for a budget below the smallest thing that can be stored."""
    rows, cols = shape
    return BudgetError(
        f"{budget:,} bytes are too few for a {rows} × {cols} matrix: it needs at least "
        f"{least:,} bytes, a keep of {format_keep(least / (rows * cols * itemsize))}."
    )
