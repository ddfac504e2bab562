"""Uniform symmetric quantization of columns, with one step size per column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from compress_lib.matrices.quantized.mixed_bits import MixedBitMatrix
from compress_lib.methods.token_tables.bit_allocation import EIGHT, UNIFORM_STEP

STRETCHES = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.7, 2.0)
"""Candidate step sizes, as multiples of the optimum for a normal distribution."""


def round_columns(values: Tensor, bits: Sequence[int], dtype: torch.dtype) -> MixedBitMatrix:
    """Quantize each column with the candidate step size of least squared error.

    Args:
        values: `[rows, cols]` in float32.
        bits: Bits of each group of eight columns, descending; groups with 0 bits are not stored.
        dtype: Type of the stored step sizes, which are rounded to it before codes are chosen.
    """
    cols = values.shape[1]
    bands: list[tuple[int, int]] = []
    first = 0
    for width, groups in groupby(bits):
        last = min(cols, first + EIGHT * len(list(groups)))
        if width:
            bands.append((width, last - first))
        first = last
    coded = sum(width for _, width in bands)
    parts = values[:, :coded].split([width for _, width in bands], dim=1)
    rounded = [_round(part, bits, dtype) for part, (bits, _) in zip(parts, bands, strict=True)]
    codes, steps = (torch.cat(pieces, dim=-1) for pieces in zip(*rounded, strict=True))
    return MixedBitMatrix.from_codes(codes, steps, cols, bands, dtype)


def _round(values: Tensor, bits: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return codes `[rows, cols]` and step sizes `[cols]` for columns with equal bits."""
    highest, half = 2**bits - 1, (2**bits - 1) / 2
    normal_steps = values.square().mean(dim=0).sqrt() * UNIFORM_STEP[bits]
    best: tuple[Tensor, Tensor, Tensor] | None = None
    for stretch in STRETCHES:
        steps = (normal_steps * stretch).to(dtype).float()
        scale = torch.where(steps > 0, 1 / steps.clamp_min(1e-30), 0.0)
        codes = (values * scale).add_(half).round_().clamp_(0, highest)
        errors = ((codes - half) * steps).sub_(values).square_().sum(dim=0)
        if best is None:
            best = errors, codes.to(torch.uint8), steps
        else:
            better = errors < best[0]
            best[1][:, better] = codes[:, better].to(torch.uint8)
            best = torch.minimum(errors, best[0]), best[1], torch.where(better, steps, best[2])
    assert best is not None
    return best[1], best[2]
