"""Two-sided weighted SVD: input and gradient second moments as the metric (K-FAC)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import option, register
from compress_lib.methods.low_rank.spectral import SpectralMethod
from compress_lib.methods.statistics import (
    INPUT_SHRINKAGE,
    LAYER_CURVATURE,
    OUTPUT_SHRINKAGE,
    TABLE_SHRINKAGE,
    curvature_needs,
)

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.statistics import Statistics
    from compress_lib.models.targets import Target


@register
@dataclass(frozen=True, kw_only=True)
class TwoSidedSVD(SpectralMethod):
    """SVD of R W L, transformed back: minimises the estimated loss ½ tr(G Δ C Δᵀ) of an error Δ.

    L Lᵀ = C is the second moment of the inputs and Rᵀ R = G that of the loss gradients with respect
    to the outputs, both shrunk slightly towards a multiple of the identity, because calibration
    text is short. For an embedding or LM head G is diagonal, and a tied weight combines both of its
    uses: see `curvature`.

    Source: a Kronecker-factored curvature, Martens & Grosse 2015 (K-FAC), arXiv 1503.05671, in
    place of the identity in Eckart & Young's theorem.
    """

    name: ClassVar[str] = "two_sided_svd"
    label: ClassVar[str] = "Two-sided SVD"
    summary: ClassVar[str] = (
        "SVD weighted on both sides by the second moments of inputs and gradients (K-FAC)."
    )
    paper: ClassVar[str] = "K-FAC metric after Martens & Grosse 2015"
    relative_cost: ClassVar[float] = 0.7

    input_shrinkage: float = option(
        INPUT_SHRINKAGE,
        "Input shrinkage",
        "Shrinkage of the input moment C towards the mean of its diagonal.",
        minimum=1e-6,
        maximum=1.0,
    )
    output_shrinkage: float = option(
        OUTPUT_SHRINKAGE,
        "Output shrinkage",
        "Shrinkage of the gradient moment G towards the mean of its diagonal.",
        minimum=1e-6,
        maximum=1.0,
    )
    table_shrinkage: float = option(
        TABLE_SHRINKAGE,
        "Table shrinkage",
        "Shrinkage of C for embeddings.",
        minimum=1e-6,
        maximum=1.0,
    )

    @property
    def required_statistics(self) -> frozenset[str]:
        """The fields for the curvature of a layer; see also `required_statistics_for`."""
        return LAYER_CURVATURE

    def required_statistics_for(self, target: Target) -> frozenset[str]:
        """See `Method.required_statistics_for`: the fields for the curvature."""
        return curvature_needs(target)

    def bases(self, weight: Tensor, statistics: Statistics) -> Mapping[str, Tensor]:
        """See `SpectralMethod.bases`."""
        from compress_lib.methods.curvature import curvature
        from compress_lib.methods.linalg import check_finite, two_sided_bases

        check_finite(weight)
        term = curvature(statistics).as_single_term()
        table = term.rows.ndim == 1
        return two_sided_bases(
            weight,
            term.rows.to(weight.device),
            term.cols.to(weight.device),
            0.0 if table else self.output_shrinkage,
            self.table_shrinkage if table else self.input_shrinkage,
        )
