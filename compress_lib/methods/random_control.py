"""The control: random numbers of the right size in the place of the weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import option, register
from compress_lib.methods.low_rank import LowRankMethod

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.calibration import Statistics


@register
@dataclass(frozen=True, kw_only=True)
class RandomControl(LowRankMethod):
    """Two random factors whose product has the weight's Frobenius norm, and nothing else of it.

    Whatever is no better than this has kept nothing.

    Source: the control of Banaei et al. 2023, arXiv 2302.04045.
    """

    name: ClassVar[str] = "random_control"
    label: ClassVar[str] = "Random re-initialisation"
    summary: ClassVar[str] = "Keeps nothing but the norm: the control that all else has to beat."
    paper: ClassVar[str] = "control of Banaei et al. 2023"
    control: ClassVar[bool] = True

    seed: int = option(0, "Seed", "Of the random numbers.", minimum=0)

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        import torch

        from compress_lib.factorization import balance, check_finite

        check_finite(weight)
        generator = torch.Generator().manual_seed(self.seed)
        rows, cols = weight.shape
        left = torch.randn(rows, rank, generator=generator)
        right = torch.randn(rank, cols, generator=generator)
        # ‖L R‖² = tr((LᵀL)(RRᵀ)), without the product itself.
        norm = ((left.T @ left) * (right @ right.T)).sum().sqrt()
        scale = float(weight.float().norm() / norm)
        left, right = balance(left * scale, right)
        return left.to(weight.device), right.to(weight.device)
