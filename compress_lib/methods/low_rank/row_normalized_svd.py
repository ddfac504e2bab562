"""SVD of unit-norm rows: the closed form of a linear autoencoder with a cosine loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import register
from compress_lib.methods.low_rank.base import LowRankMethod

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.statistics import Statistics


@register
@dataclass(frozen=True, kw_only=True)
class RowNormalizedSVD(LowRankMethod):
    """SVD of rows normalized to unit length; the norms are restored afterwards.

    For a projector P the cosine between x and P x is ‖P x‖ ÷ ‖x‖, so the projector that preserves
    the most squared norm of the unit rows preserves the most squared cosine. The norms are folded
    into the left factor and take no extra storage.
    """

    name: ClassVar[str] = "row_normalized_svd"
    label: ClassVar[str] = "Row-normalised SVD"
    summary: ClassVar[str] = (
        "SVD of the normalized rows; row norms are folded into the left factor at no cost."
    )
    paper: ClassVar[str] = "closed form of Bałazy et al. 2021's cosine loss"
    ranks_are_nested: ClassVar[bool] = True

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.methods.linalg import row_scaled_svd

        # Zero rows get scale 1 and stay zero.
        norms = weight.float().norm(dim=1)
        return row_scaled_svd(weight, norms.where(norms > 0, 1.0).reciprocal(), rank)
