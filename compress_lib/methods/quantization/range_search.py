"""Quantization range search per group: min-max, least squared error or HQQ.

Throughout, `values` `[..., width]` are groups in float32; steps and minima `[...]` are float32 too,
but rounded to the dtype in which they are stored.
"""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.matrices.quantized.uniform import midpoint

SAME_SIZE = {2: torch.int16, 4: torch.int32, 8: torch.int64}

SHRINKS = 10
"""How many smaller ranges are tried, down to half of the min-max range."""

FITS = 5
"""Number of rounds that fit steps and minima to the codes and reassign the codes."""


def round_trip(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return float32 values rounded to a dtype, in float32."""
    return values.to(dtype).float()


def minmax_range(
    values: Tensor, bits: int, minimum: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the step and the minimum of 2^bits levels that cover every entry.

    Without a minimum the levels are symmetric around zero: (code − (2^bits − 1) ÷ 2) · step.

    Args:
        values: `[..., width]`.
        bits: Bits per code.
        minimum: Whether a minimum is stored.
        dtype: The dtype in which steps and minima are stored.
    """
    levels = 2**bits - 1
    low, high = values.aminmax(dim=-1)
    if not minimum:
        high = high.maximum(-low)
        low = -high
    else:
        low = round_trip(low, dtype)
    steps = ((high - low).clamp_min(0) / levels).to(dtype)
    # Rounding a subnormal step can lose much or all of it, so round up if the range falls short.
    short = low + steps.float() * (levels + 0.5) < high
    pattern = steps.view(SAME_SIZE[steps.element_size()])
    step = (pattern + short.to(pattern.dtype)).view(dtype).float()
    return step, low if minimum else step * -midpoint(bits)


def hqq_range(
    values: Tensor,
    step: Tensor,
    low: Tensor,
    bits: int,
    minimum: bool,
    dtype: torch.dtype,
    *,
    power: float = 0.7,
    weight: float = 2.0,
    growth: float = 1.05,
    rounds: int = 20,
) -> tuple[Tensor, Tensor]:
    """Move the minima to reduce Σ |error|^p, which is less sensitive to outliers than p = 2.

    The (approximate) proximal operator of |·|^p splits off outliers; the minimum is the mean of the
    rest (without minima, the step is fitted). Errors in units of steps make it scale-invariant.

    Args:
        values: `[..., width]`.
        step: Initial steps `[...]`.
        low: Initial minima `[...]`.
        bits: Bits per code.
        minimum: Whether a minimum is stored.
        dtype: The dtype in which steps and minima are stored.
        power: The exponent p.
        weight: Initial penalty weight of the half-quadratic splitting.
        growth: Factor by which the penalty weight grows per round.
        rounds: Number of rounds; the best one is returned.

    Source: Badri and Shaji 2023, Half-Quadratic Quantization.
    """
    best_total = torch.full_like(step, torch.inf)
    best_range = step, low
    for _ in range(rounds):
        codes = _codes(values, step, low, bits)
        error = (values - _values(codes, step, low)) / _expand_step(step)
        size = error.abs()
        total = size.pow(power).sum(-1) * step.pow(power)
        better = total < best_total
        best_total = best_total.minimum(total)
        best_range = step.where(better, best_range[0]), low.where(better, best_range[1])
        outliers = (size - size.clamp_min(1e-6).pow(power - 1) / weight).clamp_min(0)
        target = values - outliers.copysign(error) * step[..., None]
        if minimum:
            low = round_trip((target - codes * step[..., None]).mean(-1), dtype)
        else:
            step, low = _fit(target, codes, step, bits, minimum, dtype)
        weight *= growth
    return best_range


def mse_range(
    values: Tensor, step: Tensor, low: Tensor, bits: int, minimum: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Search for the range of least squared error: first smaller ranges, then least-squares fits.

    A fit solves for step and minimum at fixed codes and then reassigns the codes, as in Lloyd's
    algorithm. A candidate with a larger error is never accepted.

    Args:
        values: `[..., width]`.
        step: Initial steps `[...]`.
        low: Initial minima `[...]`.
        bits: Bits per code.
        minimum: Whether a minimum is stored.
        dtype: The dtype in which steps and minima are stored.
    """
    levels = 2**bits - 1
    best_error = _squared_error(values, step, low, bits)
    best_range = step, low
    middle = low + step * (levels / 2)
    for index in range(SHRINKS + FITS):
        if index < SHRINKS:
            trial = round_trip(step * (1 - 0.5 * (index + 1) / SHRINKS), dtype)
            base = round_trip(middle - trial * (levels / 2), dtype)
            trial_low = base if minimum else trial * -midpoint(bits)
        else:
            codes = _codes(values, *best_range, bits)
            trial, trial_low = _fit(values, codes, best_range[0], bits, minimum, dtype)
        error = _squared_error(values, trial, trial_low, bits)
        better = error < best_error
        best_error = best_error.where(~better, error)
        best_range = trial.where(better, best_range[0]), trial_low.where(better, best_range[1])
    return best_range


def _fit(
    values: Tensor, codes: Tensor, step: Tensor, bits: int, minimum: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the least-squares step and minimum for codes; an invalid step is not changed."""
    if minimum:
        mean, middle = codes.mean(-1, keepdim=True), values.mean(-1, keepdim=True)
    else:
        mean, middle = torch.full_like(step, midpoint(bits))[..., None], values.new_zeros(1)
    around = codes - mean
    power = around.square().sum(-1)
    slope = (around * (values - middle)).sum(-1) / power.where(power > 0, 1.0)
    step = round_trip(slope.where((power > 0) & (slope > 0), step), dtype)
    if not minimum:
        return step, step * -midpoint(bits)
    return step, round_trip(middle[..., 0] - step * mean[..., 0], dtype)


def _codes(values: Tensor, step: Tensor, low: Tensor, bits: int) -> Tensor:
    return ((values - low[..., None]) / _expand_step(step)).round_().clamp_(0, 2**bits - 1)


def _values(codes: Tensor, step: Tensor, low: Tensor) -> Tensor:
    return torch.addcmul(low[..., None], codes, step[..., None])


def _squared_error(values: Tensor, step: Tensor, low: Tensor, bits: int) -> Tensor:
    return (values - _values(_codes(values, step, low, bits), step, low)).square().sum(-1)


def _expand_step(step: Tensor) -> Tensor:
    return step.where(step > 0, 1.0)[..., None]
