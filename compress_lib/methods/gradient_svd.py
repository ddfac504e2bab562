"""What SVDs have in common that weigh rows by gradients of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import option
from compress_lib.methods.low_rank import LowRankMethod
from compress_lib.methods.row_weights import exponent_option, normalization_option, normalized

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.calibration import Statistics


@dataclass(frozen=True, kw_only=True)
class GradientSVD(LowRankMethod):
    """SVD of diag(w) W, undone; a subclass says which statistic makes w."""

    effort: ClassVar[float] = 0.6
    nested: ClassVar[bool] = True
    statistics: ClassVar[dict[str, str]]
    """The statistic's name, by what the gradient is of."""
    squared: ClassVar[bool]
    """Whether the statistic weighs squared errors, so that w is its root."""

    gradient: str = option(
        "likelihood",
        "Gradient of",
        "An example's log-likelihood, or its mean probability as Banaei et al. 2023 have it.",
        choices=("likelihood", "probability"),
    )
    normalization: str = normalization_option("sum")
    number: float = exponent_option()

    @property
    def needs(self) -> frozenset[str]:
        """The statistic of the rows."""
        return frozenset({self.statistics[self.gradient]})

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.factorization import row_scaled_svd

        found = statistics.require(self.statistics[self.gradient]).to(weight.device)
        scale = normalized(found, self.normalization, self.number)
        return row_scaled_svd(weight, scale.sqrt() if self.squared else scale, rank)
