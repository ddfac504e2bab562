"""SVD of unit rows: the closed form of a linear autoencoder with a cosine loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import Method, Preview, low_rank_preview, register
from compress_lib.progress import Progress, no_progress

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.calibration import Statistics
    from compress_lib.matrices import CompressedMatrix


@register
@dataclass(frozen=True, kw_only=True)
class RowNormalizedSVD(Method):
    """Give every row the same weight, whatever its norm, then restore the norms.

    For a projector P the cosine between x and P x is ‖P x‖ ÷ ‖x‖, so the projector that keeps
    the most squared norm of the unit rows keeps the most squared cosine. The norms fold into
    the left factor and need no storage of their own.
    """

    name: ClassVar[str] = "row_normalized_svd"
    label: ClassVar[str] = "Row-normalised SVD"
    summary: ClassVar[str] = "SVD of the rows' directions; norms fold into the factor for free."
    paper: ClassVar[str] = "closed form of Bałazy et al. 2021's cosine loss"

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`."""
        return low_rank_preview(shape, budget=budget, itemsize=itemsize)

    def compress(
        self,
        weight: Tensor,
        *,
        budget: int,
        statistics: Statistics,
        progress: Progress = no_progress,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.factorization import low_rank_matrix, row_scaled_svd

        rank = self.preview(
            (weight.shape[0], weight.shape[1]), budget=budget, itemsize=weight.element_size()
        ).rank
        # A row of zeros has no direction: its scale of 1 leaves it zero, and adds nothing.
        norms = weight.float().norm(dim=1)
        left, right = row_scaled_svd(weight, norms.where(norms > 0, 1.0).reciprocal(), rank)
        return low_rank_matrix(left, right, weight.dtype)
