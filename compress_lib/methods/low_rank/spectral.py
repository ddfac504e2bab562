"""What methods share whose factors of every rank are the beginnings of one pair of bases.

The bases are computed once, and kept with their energies; another rank is then a cut.
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
    """A low-rank method with bases that are sorted by what each pair of vectors is worth."""

    @abstractmethod
    def bases(self, weight: Tensor, statistics: Statistics) -> Mapping[str, Tensor]:
        """Return `left` `[rows, k]`, `right` `[k, cols]` and `energy` `[k]`, in float32.

        k = min(rows, cols), and left right = W. Without all but the first r pairs, the estimated
        loss grows by half the sum of the energies left out.
        """

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """See `LowRankMethod.factors`."""
        from compress_lib.methods.linalg import balance

        found = self._cached(weight, statistics)
        left, right = (found[side].to(weight.device) for side in ("left", "right"))
        return balance(left[:, :rank].contiguous(), right[:rank].contiguous())

    def curve(
        self, weight: Tensor, statistics: Statistics, report: Report = ignore
    ) -> list[OperatingPoint]:
        """See `Method.curve`: half the sum of the energies that a rank leaves out."""
        from compress_lib.methods.loss_curve import measure_curve

        if not statistics.has(OUTPUT_GRADIENT) or not self._comparable:
            return measure_curve(self, weight, statistics, report)
        energy = self._cached(weight, statistics)["energy"].double()
        left_out = 0.5 * (energy.sum() - energy.cumsum(0)).clamp_min(0)
        shape = (weight.shape[0], weight.shape[1])
        return self.points(left_out.tolist(), shape, weight.element_size())

    @property
    def _comparable(self) -> bool:
        """Whether energies left out are all that is lost, in the currency that methods share.

        Rounding factors to few bits loses more, and so does a metric of one's own that is blind
        to what the shared one minds. The same goes for a table, whose tokens are drawn together.
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
