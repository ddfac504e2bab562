"""Truncated singular value decomposition: least squared error at a given rank."""

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
class SVD(LowRankMethod):
    """Truncated singular value decomposition.

    Source: Eckart and Young (1936), doi:10.1007/BF02288367.
    """

    name: ClassVar[str] = "svd"
    label: ClassVar[str] = "SVD"
    summary: ClassVar[str] = (
        "Truncated singular value decomposition: the least squared error at a given rank."
    )
    paper: ClassVar[str] = "Eckart & Young 1936"
    ranks_are_nested: ClassVar[bool] = True

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.methods.linalg import truncate_svd

        return truncate_svd(weight, rank)
