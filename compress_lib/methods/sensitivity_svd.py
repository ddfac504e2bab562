"""SVD in which a row weighs as much as the sum of its gradients' absolute values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import option, register
from compress_lib.methods.low_rank import LowRankMethod
from compress_lib.methods.row_weights import exponent_option, normalization_option, normalized

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.calibration import Statistics


@register
@dataclass(frozen=True, kw_only=True)
class SensitivitySVD(LowRankMethod):
    """SVD of diag(w) W, undone, with w the rows' L1 sensitivity.

    Source: Banaei et al. 2023, arXiv 2302.04045, w = Σ |gradient|.
    """

    name: ClassVar[str] = "sensitivity_svd"
    label: ClassVar[str] = "Sensitivity-weighted SVD"
    summary: ClassVar[str] = "Weighs rows by the absolute gradient of the text's log-likelihood."
    paper: ClassVar[str] = "Banaei et al. 2023 (L1 sensitivity)"
    effort: ClassVar[float] = 0.6

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
        """Sensitivity of the rows."""
        return frozenset({self._statistic})

    @property
    def _statistic(self) -> str:
        return "sensitivity" if self.gradient == "likelihood" else "sensitivity_probability"

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.factorization import row_scaled_svd

        gradient = statistics.require(self._statistic).to(weight.device)
        return row_scaled_svd(weight, normalized(gradient, self.normalization, self.number), rank)
