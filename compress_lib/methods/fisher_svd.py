"""SVD in which a row weighs as much as the loss is sensitive to it: FWSVD."""

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
class FisherSVD(LowRankMethod):
    """Least squared error weighted by the rows' Fisher information.

    Source: Hsu et al. 2022, arXiv 2207.00112: SVD of diag(w) W with w the root of the sum of
    squared gradients. `normalization=sum` is that; a squared error is weighted by the sum itself.
    """

    name: ClassVar[str] = "fisher_svd"
    label: ClassVar[str] = "Fisher-weighted SVD"
    summary: ClassVar[str] = "Weighs rows by the squared gradient of the text's log-likelihood."
    paper: ClassVar[str] = "Hsu et al. 2022 (FWSVD)"
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
        """Fisher information of the rows."""
        return frozenset({self._statistic})

    @property
    def _statistic(self) -> str:
        return "fisher" if self.gradient == "likelihood" else "fisher_probability"

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.factorization import row_scaled_svd

        fisher = statistics.require(self._statistic).to(weight.device)
        scale = normalized(fisher, self.normalization, self.number).sqrt()
        return row_scaled_svd(weight, scale, rank)
