"""What SVDs have in common that weigh rows by gradients of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import option
from compress_lib.methods.low_rank.base import LowRankMethod
from compress_lib.methods.row_importance import normalize_weights
from compress_lib.methods.row_weights import exponent_option, normalization_option

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.statistics import Statistics

from compress_lib.methods.base import register


@dataclass(frozen=True, kw_only=True)
class GradientSVD(LowRankMethod):
    """SVD of diag(w) W, undone; a subclass says which statistic makes w."""

    relative_cost: ClassVar[float] = 0.6
    ranks_are_nested: ClassVar[bool] = True
    statistics: ClassVar[dict[str, str]]
    """The statistic's name, by what the gradient is of."""
    squared: ClassVar[bool]
    """Whether the statistic weighs squared errors, so that w is its root."""

    gradient: str = option(
        "likelihood",
        "Gradient",
        "Gradient of the log-likelihood of an example, or of its mean probability (Banaei et al. "
        "2023).",
        choices=("likelihood", "probability"),
    )
    normalization: str = normalization_option("sum")
    exponent: float = exponent_option()

    @property
    def required_statistics(self) -> frozenset[str]:
        """The statistic of the rows."""
        return frozenset({self.statistics[self.gradient]})

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.methods.linalg import row_scaled_svd

        found = statistics.require(self.statistics[self.gradient]).to(weight.device)
        scale = normalize_weights(found, self.normalization, self.exponent)
        return row_scaled_svd(weight, scale.sqrt() if self.squared else scale, rank)


@register
@dataclass(frozen=True, kw_only=True)
class FisherSVD(GradientSVD):
    """Least squared error weighted by the rows' Fisher information.

    Source: Hsu et al. 2022, arXiv 2207.00112: SVD of diag(w) W with w the root of the sum of
    squared gradients. `normalization=sum` is that; a squared error is weighted by the sum itself.
    """

    name: ClassVar[str] = "fisher_svd"
    label: ClassVar[str] = "Fisher-weighted SVD"
    summary: ClassVar[str] = "SVD with rows weighted by the squared gradient of the log-likelihood."
    paper: ClassVar[str] = "Hsu et al. 2022 (FWSVD)"
    statistics: ClassVar[dict[str, str]] = {
        "likelihood": "fisher",
        "probability": "fisher_probability",
    }
    squared: ClassVar[bool] = True


@register
@dataclass(frozen=True, kw_only=True)
class SensitivitySVD(GradientSVD):
    """SVD of diag(w) W, undone, with w the rows' L1 sensitivity.

    Source: Banaei et al. 2023, arXiv 2302.04045, w = Σ |gradient|.
    """

    name: ClassVar[str] = "sensitivity_svd"
    label: ClassVar[str] = "Sensitivity-weighted SVD"
    summary: ClassVar[str] = (
        "SVD with rows weighted by the absolute gradient of the log-likelihood."
    )
    paper: ClassVar[str] = "Banaei et al. 2023 (L1 sensitivity)"
    statistics: ClassVar[dict[str, str]] = {
        "likelihood": "sensitivity",
        "probability": "sensitivity_probability",
    }
    squared: ClassVar[bool] = False
