"""Random-factor control: ignores the weight except for its shape and norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import option, register
from compress_lib.methods.low_rank.base import LowRankMethod

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.statistics import Statistics


@register
@dataclass(frozen=True, kw_only=True)
class RandomControl(LowRankMethod):
    """Control with two random factors whose product has the Frobenius norm of the weight.

    The loss of a compressed model must be compared with its loss without the information in this
    weight: a method that is no better than this control has preserved nothing.

    Source: the random re-initialisation of Banaei et al. 2023, arXiv 2302.04045.
    """

    name: ClassVar[str] = "random_control"
    label: ClassVar[str] = "Random control"
    summary: ClassVar[str] = "Control: replaces a weight by random numbers with the same norm."
    paper: ClassVar[str] = "control of Banaei et al. 2023"
    is_control: ClassVar[bool] = True

    seed: int = option(0, "Seed", "Seed of the random numbers.", minimum=0, maximum=2**31 - 1)

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        import torch

        from compress_lib.methods.linalg import balance, check_finite

        check_finite(weight)
        rows, cols = weight.shape
        # Drawn on the CPU, so that the numbers are the same on every machine.
        generator = torch.Generator().manual_seed(self.seed)
        left = torch.randn(rows, rank, generator=generator).to(weight.device)
        right = torch.randn(rank, cols, generator=generator).to(weight.device)
        # ‖L R‖² is the sum of the entries of LᵀL ∘ R Rᵀ, which avoids forming L R.
        left64, right64 = left.double(), right.double()
        product = (left64.T @ left64 * (right64 @ right64.T)).sum().sqrt()
        scale = weight.double().norm() / product.clamp_min(1e-30)
        return balance(left * scale.float(), right)
