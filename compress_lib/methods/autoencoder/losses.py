"""Autoencoder losses: a weighted sum of cosine, power-L1, RMSE and output losses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

COSINE_EPSILON = 1e-6
POWER_EPSILON = 1e-10


@dataclass(frozen=True)
class CombinedLoss:
    """Weighted sum of reconstruction losses with non-negative coefficients.

    Attributes:
        cosine: Coefficient of the mean of 1 − cos over rows.
        power_l1: Coefficient of the mean of |error| ^ power over entries.
        rmse: Coefficient of the root mean squared error of the entries.
        output: Coefficient of the root mean squared error of the outputs W x on calibration text.
        half_moment: `[cols, cols]`, a square root H of E[x xᵀ] = H Hᵀ; required if `output` is
            not zero.

    Source: Bałazy et al. 2021, arXiv 2106.08181, section 3; Banaei et al. 2023, arXiv 2302.04045;
    the output loss follows Chen et al. 2021 (DRONE).
    """

    cosine: float = 0.0
    power_l1: float = 0.0
    rmse: float = 0.0
    output: float = 0.0
    half_moment: Tensor | None = None

    def __call__(
        self, original: Tensor, decoded: Tensor, power: float, weights: Tensor | None = None
    ) -> Tensor:
        """Return the loss of a batch of rows.

        Args:
            original: `[batch, cols]`.
            decoded: `[batch, cols]`, their reconstruction.
            power: Exponent of the L1 term.
            weights: `[batch]` row weights with mean 1 over the matrix; None weights all equally.
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
            output_error = (original - decoded) @ self.half_moment
            total = total + self.output * mean(output_error.square().sum(1)).sqrt()
        return total
