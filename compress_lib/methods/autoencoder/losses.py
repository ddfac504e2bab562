"""What an autoencoder minimises: any mix of losses, rows weighted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

COSINE_EPSILON = 1e-6
POWER_EPSILON = 1e-10


@dataclass(frozen=True)
class CombinedLoss:
    """A sum of losses with non-negative coefficients.

    Attributes:
        cosine: Of the mean of 1 − cos over rows.
        power_l1: Of the mean of |error| ^ power over entries.
        rmse: Of the root of the mean squared error of the entries.
        output: Of the root of the mean squared error of the outputs W x on calibration text.
        half_moment: `[cols, cols]`, a root H of E[x xᵀ] = H Hᵀ, where `output` is not zero.

    Source: Bałazy et al. 2021, arXiv 2106.08181, section 3; Banaei et al. 2023, arXiv 2302.04045;
    the loss of outputs after Chen et al. 2021 (DRONE).
    """

    cosine: float = 0.0
    power_l1: float = 0.0
    rmse: float = 0.0
    output: float = 0.0
    half_moment: Tensor | None = None

    def __call__(
        self, original: Tensor, decoded: Tensor, power: float, weights: Tensor | None = None
    ) -> Tensor:
        """Return the loss of rows `[batch, cols]`.

        Args:
            original: The rows.
            decoded: What the autoencoder makes of them.
            power: The exponent of the L1 term.
            weights: `[batch]`, how much each row counts, 1 on average over all rows.
        """

        def mean(per_row: Tensor) -> Tensor:
            return per_row.mean() if weights is None else (per_row * weights).mean()

        total = original.new_zeros(())
        if self.cosine:
            cosine = nn.functional.cosine_similarity(original, decoded, eps=COSINE_EPSILON)
            total = total + self.cosine * mean(1 - cosine)
        if self.power_l1:
            distance = (original - decoded).abs() + POWER_EPSILON
            total = total + self.power_l1 * mean(distance.pow(power).mean(1))
        if self.rmse:
            total = total + self.rmse * mean((original - decoded).square().mean(1)).sqrt()
        if self.output and self.half_moment is not None:
            missed = (original - decoded) @ self.half_moment
            total = total + self.output * mean(missed.square().sum(1)).sqrt()
        return total
