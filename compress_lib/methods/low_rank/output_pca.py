"""PCA of a layer's outputs: the common optimum of DRONE and SVD-LLM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import option, register
from compress_lib.methods.low_rank.base import Factors, LowRankMethod
from compress_lib.models.targets import FAMILIES

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.statistics import Statistics


@register
@dataclass(frozen=True, kw_only=True)
class OutputPCA(LowRankMethod):
    """Low-rank factors with the least error of the outputs W x on calibration text.

    With C = E[x xᵀ]: U = leading eigenvectors of W C Wᵀ, Ŵ = U Uᵀ W. Nothing is inverted, so a
    singular C is harmless. With the mean μ of x, C is the covariance, and (I − U Uᵀ) W μ is added
    to the layer's bias.

    Source: the optimum of Chen et al. 2021 (DRONE) and Wang et al. 2024 (SVD-LLM),
    arXiv 2403.07378, in the form of principal components.
    """

    name: ClassVar[str] = "output_pca"
    label: ClassVar[str] = "Output PCA"
    summary: ClassVar[str] = (
        "Keeps the principal components of the layer's outputs on calibration text."
    )
    paper: ClassVar[str] = "Chen et al. 2021 (DRONE), Wang et al. 2024 (SVD-LLM)"
    relative_cost: ClassVar[float] = 0.5
    families: ClassVar[tuple[str, ...] | None] = tuple(f for f in FAMILIES if f != "embedding")

    bias: bool = option(True, "Bias", "Store a bias that preserves the mean output exactly.")

    @property
    def required_statistics(self) -> frozenset[str]:
        """Moments of the layer's inputs."""
        return frozenset({"second_moment", "mean"} if self.bias else {"second_moment"})

    def fixed_numbers(self, shape: tuple[int, int]) -> int:
        """See `LowRankMethod.fixed_numbers`: a bias `[rows]`."""
        return shape[0] if self.bias else 0

    def solve(self, weight: Tensor, rank: int, statistics: Statistics) -> Factors:
        """See `LowRankMethod.solve`."""
        from compress_lib.methods.linalg import balance, check_finite, output_basis

        check_finite(weight)
        moment = statistics.require("second_moment").to(weight.device).double()
        weight64 = weight.double()
        mean = None
        if self.bias:
            mean = statistics.require("mean").to(weight.device).double()
            moment = moment - mean[:, None] * mean
        basis = output_basis(weight64, moment, rank)
        left, right = balance(basis.float(), (basis.T @ weight64).float())
        if mean is None:
            return Factors(left, right)
        output = weight64 @ mean
        bias = (output - basis @ (basis.T @ output)).float()
        return Factors(left, right, bias, mean)
