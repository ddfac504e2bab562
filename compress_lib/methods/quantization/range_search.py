"""How a group's range is chosen: its outermost values, or what leaves less error.

Everywhere `values` `[..., width]` are groups in float32; steps and minima `[...]` are float32 too,
but rounded to the type in which they are stored.
"""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.matrices.quantized.uniform import centre

SAME_SIZE = {2: torch.int16, 4: torch.int32, 8: torch.int64}

SHRINKS = 10
"""How many smaller ranges are tried, down to half of the outermost."""

FITS = 5
"""How often steps and minima are fitted to the codes, and codes chosen anew."""


def round_trip(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return float32 values as a type holds them."""
    return values.to(dtype).float()


def minmax_range(
    values: Tensor, bits: int, minimum: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the step and the smallest value of 2^bits values that reach every entry.

    Without a minimum they lie around zero: (code − (2^bits − 1) ÷ 2) · step.
    """
    levels = 2**bits - 1
    low, high = values.aminmax(dim=-1)
    if not minimum:
        high = high.maximum(-low)
        low = -high
    else:
        low = round_trip(low, dtype)
    steps = ((high - low).clamp_min(0) / levels).to(dtype)
    # Among the tiniest numbers of a type rounding can take much of a step, or all of it.
    short = low + steps.float() * (levels + 0.5) < high
    pattern = steps.view(SAME_SIZE[steps.element_size()])
    step = (pattern + short.to(pattern.dtype)).view(dtype).float()
    return step, low if minimum else step * -centre(bits)


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
    """Move the minima so that Σ |error|^p falls, which minds outliers less than a square does.

    Errors are split off by a shrinkage that is the (approximate) proximal step of |·|^p, and the
    minimum is then the mean of what is left. Errors are counted in steps, so that the result does
    not depend on the size of the weights. Without minima the step is fitted instead.

    Source: Badri and Shaji 2023, Half-Quadratic Quantization.
    """
    best = torch.full_like(step, torch.inf)
    found = step, low
    for _ in range(rounds):
        codes = _codes(values, step, low, bits)
        error = (values - _values(codes, step, low)) / _wide(step)
        size = error.abs()
        total = size.pow(power).sum(-1) * step.pow(power)
        better = total < best
        best = best.minimum(total)
        found = step.where(better, found[0]), low.where(better, found[1])
        left = (size - size.clamp_min(1e-6).pow(power - 1) / weight).clamp_min(0)
        aim = values - left.copysign(error) * step[..., None]
        if minimum:
            low = round_trip((aim - codes * step[..., None]).mean(-1), dtype)
        else:
            step, low = _fit(aim, codes, step, bits, minimum, dtype)
        weight *= growth
    return found


def mse_range(
    values: Tensor, step: Tensor, low: Tensor, bits: int, minimum: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Look for the range of least squared error: first among smaller ones, then by fitting.

    A fit is the least-squares step and minimum for the codes as they are; after it codes are
    chosen anew, as in Lloyd's algorithm. Nothing that has more error is taken.
    """
    levels = 2**bits - 1
    best = _squared_error(values, step, low, bits)
    found = step, low
    middle = low + step * (levels / 2)
    for index in range(SHRINKS + FITS):
        if index < SHRINKS:
            trial = round_trip(step * (1 - 0.5 * (index + 1) / SHRINKS), dtype)
            base = round_trip(middle - trial * (levels / 2), dtype)
            trial_low = base if minimum else trial * -centre(bits)
        else:
            codes = _codes(values, *found, bits)
            trial, trial_low = _fit(values, codes, found[0], bits, minimum, dtype)
        error = _squared_error(values, trial, trial_low, bits)
        better = error < best
        best = best.where(~better, error)
        found = trial.where(better, found[0]), trial_low.where(better, found[1])
    return found


def _fit(
    values: Tensor, codes: Tensor, step: Tensor, bits: int, minimum: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the least-squares step and minimum for codes; the step stays if that is none."""
    if minimum:
        mean, middle = codes.mean(-1, keepdim=True), values.mean(-1, keepdim=True)
    else:
        mean, middle = torch.full_like(step, centre(bits))[..., None], values.new_zeros(1)
    around = codes - mean
    power = around.square().sum(-1)
    slope = (around * (values - middle)).sum(-1) / power.where(power > 0, 1.0)
    step = round_trip(slope.where((power > 0) & (slope > 0), step), dtype)
    if not minimum:
        return step, step * -centre(bits)
    return step, round_trip(middle[..., 0] - step * mean[..., 0], dtype)


def _codes(values: Tensor, step: Tensor, low: Tensor, bits: int) -> Tensor:
    return ((values - low[..., None]) / _wide(step)).round_().clamp_(0, 2**bits - 1)


def _values(codes: Tensor, step: Tensor, low: Tensor) -> Tensor:
    return torch.addcmul(low[..., None], codes, step[..., None])


def _squared_error(values: Tensor, step: Tensor, low: Tensor, bits: int) -> Tensor:
    return (values - _values(_codes(values, step, low, bits), step, low)).square().sum(-1)


def _wide(step: Tensor) -> Tensor:
    return step.where(step > 0, 1.0)[..., None]
