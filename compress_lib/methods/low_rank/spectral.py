"""Spectral low-rank base class: nested factors truncated from one cached pair of bases.

The bases are computed once and cached with their energies; another rank is then a truncation.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compress_lib.methods.low_rank.base import LowRankMethod
from compress_lib.methods.statistics import INPUT_SHRINKAGE, OUTPUT_GRADIENT, OUTPUT_SHRINKAGE
from compress_lib.utils.progress import Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.rate_distortion import OperatingPoint
    from compress_lib.methods.statistics import Statistics


@dataclass(frozen=True, kw_only=True)
class SpectralMethod(LowRankMethod):
    """Low-rank method whose bases are sorted by the energy of each pair of vectors."""

    @abstractmethod
    def bases(self, weight: Tensor, statistics: Statistics) -> Mapping[str, Tensor]:
        """Return `left` `[rows, k]`, `right` `[k, cols]` and `energy` `[k]`, in float32.

        k = min(rows, cols), and left right = W. Truncating to the first r pairs increases the
        estimated loss by half the sum of the dropped energies.

        Args:
            weight: W `[rows, cols]`.
            statistics: The fields named by `required_statistics_for`.
        """

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.methods.linalg import balance

        bases = self._cached(weight, statistics)
        left, right = (bases[side].to(weight.device) for side in ("left", "right"))
        return balance(left[:, :rank].contiguous(), right[:rank].contiguous())

    def curve(
        self, weight: Tensor, statistics: Statistics, report: Report = ignore
    ) -> list[OperatingPoint]:
        """See `Method.curve`: the loss at a rank is half the sum of the dropped energies."""
        from compress_lib.methods.loss_curve import measure_curve

        if not statistics.has(OUTPUT_GRADIENT) or not self._comparable:
            return measure_curve(self, weight, statistics, report)
        energy = self._cached(weight, statistics)["energy"].double()
        losses = 0.5 * (energy.sum() - energy.cumsum(0)).clamp_min(0)
        shape = (weight.shape[0], weight.shape[1])
        return self.points(losses.tolist(), shape, weight.element_size())

    @property
    def _comparable(self) -> bool:
        """Whether the dropped energies equal the loss estimate that all methods share.

        They do not if factors are rounded to few bits, which adds a loss, or if this method's
        shrinkage differs from the shared one. Nor do they for an embedding or LM head, whose token
        diagonal is shrunk in the shared estimate.
        """
        values = self.option_values()
        return (
            not self.few_bits
            and values.get("input_shrinkage", INPUT_SHRINKAGE) == INPUT_SHRINKAGE
            and values.get("output_shrinkage", OUTPUT_SHRINKAGE) == OUTPUT_SHRINKAGE
        )

    def _cached(self, weight: Tensor, statistics: Statistics) -> Mapping[str, Tensor]:
        options = sorted(self.own_options().items())
        name = "-".join([self.name, *(f"{key}={value}" for key, value in options)])
        return statistics.memo(name, lambda: self.bases(weight, statistics))
