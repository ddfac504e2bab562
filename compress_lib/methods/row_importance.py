"""Row importance from token counts or gradients, normalized to mean 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.methods.statistics import Statistics

FREQUENCY = "frequency"
"""Name of the weighting by token counts."""


ZIPF_OFFSET = 100
"""Token id offset in Zipf's law: the first ids are bytes and special tokens, not frequent words."""


SMOOTHING = 0.03
"""Mean pseudo-count added per token."""


NORMALIZATIONS = ("sum", "sum_log", "pow", "sum_pow")


FLOOR = 1e-6
"""Minimum weight of a row relative to the mean, so that rows never touched in calibration still
count."""


def smoothed_counts(counts: Tensor, smoothing: float = SMOOTHING, prior: str = "zipf") -> Tensor:
    """Return token counts plus pseudo-counts, `[rows]` in float64; always positive.

    A short text leaves most tokens uncounted. Pseudo-counts are uniform or follow Zipf's law over
    token ids, because byte-pair vocabularies list frequent tokens first.

    Args:
        counts: `[rows]`.
        smoothing: Mean pseudo-count.
        prior: `zipf` or `uniform`.
    """
    import torch

    counts64 = counts.double()
    pseudo_counts = torch.ones_like(counts64)
    if prior == "zipf":
        ids = torch.arange(len(counts64), dtype=counts64.dtype, device=counts64.device)
        pseudo_counts = 1 / (ids + ZIPF_OFFSET)
    return counts64 + smoothing * pseudo_counts / pseudo_counts.mean()


def row_importance(
    statistics: Statistics, *, power: float, smoothing: float = SMOOTHING, prior: str = "zipf"
) -> Tensor:
    """Return the importance of each row of an embedding or LM head, `[rows]` in float64, mean 1.

    Args:
        statistics: Its `row_counts` are used.
        power: Exponent of the smoothed count.
        smoothing: See `smoothed_counts`.
        prior: See `smoothed_counts`.

    Raises:
        CompressionError: `row_counts` is missing.
    """
    weights = smoothed_counts(statistics.require("row_counts"), smoothing, prior).pow(power)
    return weights / weights.mean()


def normalize_weights(weights: Tensor, how: str, number: float) -> Tensor:
    """Return normalized row weights, `[rows]` in float64.

    Args:
        weights: `[rows]`, non-negative.
        how: One of `NORMALIZATIONS`; all but `pow` are applied to weight ÷ mean weight.
        number: The exponent, or the factor in the logarithm.

    Source: the normalisations of Banaei et al. 2023, arXiv 2302.04045, relative to the mean instead
    of the sum, so that a loss keeps its scale. `pow` and `sum_pow` differ only by a constant
    factor, to which decompositions and relatively weighted losses are invariant.
    """
    weights64 = weights.double()
    mean = weights64.mean()
    if not float(mean) > 0:
        return weights64.new_ones(weights64.shape)
    relative = (weights64 / mean).clamp_min(FLOOR)
    if how == "sum":
        return relative
    if how == "sum_log":
        return (number * relative).log1p()
    if how == "pow":
        return (relative * mean).pow(number)
    return relative.pow(number)
