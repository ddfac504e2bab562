"""SVD with rows weighted by gradients of the loss (FWSVD, L1 sensitivity)."""

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
    """SVD of diag(w) W, with the scaling undone; subclasses choose the statistic for w."""

    relative_cost: ClassVar[float] = 0.6
    ranks_are_nested: ClassVar[bool] = True
    statistics: ClassVar[dict[str, str]]
    """Name of the statistic by gradient objective."""
    squared: ClassVar[bool]
    """Whether the statistic weights squared errors, so that w is its square root."""

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
        """The row statistic for the chosen gradient."""
        return frozenset({self.statistics[self.gradient]})

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.methods.linalg import row_scaled_svd

        row_weights = statistics.require(self.statistics[self.gradient]).to(weight.device)
        scale = normalize_weights(row_weights, self.normalization, self.exponent)
        return row_scaled_svd(weight, scale.sqrt() if self.squared else scale, rank)


@register
@dataclass(frozen=True, kw_only=True)
class FisherSVD(GradientSVD):
    """SVD with squared error weighted by the Fisher information of each row.

    Source: Hsu et al. 2022, arXiv 2207.00112: SVD of diag(w) W, where w is the root of the sum of
    squared gradients. `normalization=sum` reproduces it, since the squared error is weighted by the
    sum itself.
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
    """SVD of diag(w) W, with the scaling undone, where w is the L1 sensitivity of each row.

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
