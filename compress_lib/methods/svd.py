"""Truncated singular value decomposition: the least squared error at a rank."""

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
class SVD(Method):
    """Keep the largest singular values.

    Source: Eckart and Young (1936), doi:10.1007/BF02288367.
    """

    name: ClassVar[str] = "svd"
    label: ClassVar[str] = "SVD"
    summary: ClassVar[str] = "Keeps the largest singular values: least squared error at a rank."
    paper: ClassVar[str] = "Eckart & Young 1936"

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
        from compress_lib.factorization import low_rank_matrix, truncated_svd

        rank = self.preview(
            (weight.shape[0], weight.shape[1]), budget=budget, itemsize=weight.element_size()
        ).rank
        left, right = truncated_svd(weight, rank)
        return low_rank_matrix(left, right, weight.dtype)
