"""SVD in which a token's row weighs as much as the token is frequent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import Method, Preview, low_rank_preview, option, register
from compress_lib.progress import Progress, no_progress

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.calibration import Statistics
    from compress_lib.matrices import CompressedMatrix


@register
@dataclass(frozen=True, kw_only=True)
class FrequencySVD(Method):
    """Least squared error weighted by smoothed token counts, (count + smoothing) ^ power.

    Source: frequency weighting as in Chen et al. 2018 (GroupReduce), arXiv 1806.06950.
    """

    name: ClassVar[str] = "frequency_svd"
    label: ClassVar[str] = "Frequency-weighted SVD"
    summary: ClassVar[str] = "Weighs the rows of a token table by how often each token occurs."
    paper: ClassVar[str] = "after Chen et al. 2018 (GroupReduce)"
    families: ClassVar[tuple[str, ...] | None] = ("embedding", "head")

    power: float = option(
        1.0, "Power", "Weight of a token = smoothed count ^ power.", minimum=0.0, maximum=2.0
    )
    smoothing: float = option(
        1.0, "Smoothing", "Added to every count; larger trusts the counts less.", minimum=1e-3
    )

    @property
    def needs(self) -> frozenset[str]:
        """Counts of every token."""
        return frozenset({"row_counts"})

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
        counts = statistics.require("row_counts").to(weight.device).double()
        # The squared error is weighted by f, so the matrix is scaled by its root.
        scale = (counts + self.smoothing).pow(self.power / 2)
        left, right = row_scaled_svd(weight, scale, rank)
        return low_rank_matrix(left, right, weight.dtype)
