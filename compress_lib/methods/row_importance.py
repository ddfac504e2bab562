"""Row importance from token counts or gradients, normalized to mean 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.statistics import Statistics

FREQUENCY = "frequency"
"""The word for weights from token counts."""


ZIPF_OFFSET = 100
"""The first ids are bytes and special tokens, not the most frequent words."""


SMOOTHING = 0.03
"""What is added to a count on average."""


NORMALIZATIONS = ("sum", "sum_log", "pow", "sum_pow")


FLOOR = 1e-6
"""The least weight of a row, as a share of the mean: a row that calibration never touched is
still part of the matrix."""


def smoothed_counts(counts: Tensor, smoothing: float = SMOOTHING, prior: str = "zipf") -> Tensor:
    """Return token counts `[rows]` with something added, in float64; never zero.

    A short text leaves most tokens uncounted. What is added is shared out by Zipf's law over the
    token ids, because byte-pair vocabularies list frequent tokens first, or evenly.

    Args:
        counts: `[rows]`.
        smoothing: What is added on average.
        prior: `zipf` or `uniform`.
    """
    import torch

    wide = counts.double()
    added = torch.ones_like(wide)
    if prior == "zipf":
        ids = torch.arange(len(wide), dtype=wide.dtype, device=wide.device)
        added = 1 / (ids + ZIPF_OFFSET)
    return wide + smoothing * added / added.mean()


def row_importance(
    statistics: Statistics, *, power: float, smoothing: float = SMOOTHING, prior: str = "zipf"
) -> Tensor:
    """Return how much an error in each row of a token table counts, `[rows]` in float64, mean 1.

    Args:
        statistics: Its `row_counts` are read.
        power: Of the smoothed count.
        smoothing: See `smoothed_counts`.
        prior: See `smoothed_counts`.

    Raises:
        CompressionError: Nothing was counted.
    """
    weights = smoothed_counts(statistics.require("row_counts"), smoothing, prior).pow(power)
    return weights / weights.mean()


def normalize_weights(weights: Tensor, how: str, number: float) -> Tensor:
    """Return weights of rows `[rows]`, normalised, in float64.

    Args:
        weights: Not negative.
        how: One of `NORMALIZATIONS`; a share is a weight ÷ the mean weight.
        number: The exponent, or the factor in the logarithm.

    Source: the normalisations of Banaei et al. 2023, arXiv 2302.04045, with shares of the mean in
    place of shares of the sum, so that a loss keeps its size. `pow` and `sum_pow` differ in scale
    only, which neither a decomposition nor a loss weighted relatively can tell.
    """
    wide = weights.double()
    mean = wide.mean()
    if not float(mean) > 0:
        return wide.new_ones(wide.shape)
    share = (wide / mean).clamp_min(FLOOR)
    if how == "sum":
        return share
    if how == "sum_log":
        return (number * share).log1p()
    if how == "pow":
        return (share * mean).pow(number)
    return share.pow(number)
