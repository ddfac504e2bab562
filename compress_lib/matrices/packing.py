"""Bit packing of 1- to 8-bit integers: quantization codes and bitmasks.

Eight codes of `bits` bits fill exactly `bits` bytes, least significant bits first: code i of
eight starts at bit i · bits.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from compress_lib.utils.packed_sizes import packed_width

__all__ = ["pack", "packed_width", "unpack"]

BITS_IN_BYTE = 8
WORDS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integer type by size in bytes."""


def pack(codes: Tensor, bits: int) -> Tensor:
    """Pack codes from 0 to 2^bits − 1 into bytes.

    Args:
        codes: `[rows, count]`.
        bits: Bits per code, 1 to 8.

    Returns:
        uint8 `[rows, packed_width(count, bits)]`.
    """
    rows, count = codes.shape
    padded: Tensor = nn.functional.pad(codes.to(torch.uint8), (0, -count % 8))
    if bits == BITS_IN_BYTE:
        return padded
    eights = padded.to(torch.int64).unflatten(1, (-1, 8))
    # At most 7 · 8 = 56 bits, so the sign bit of the int64 stays clear.
    words = (eights << _starts(8, bits, codes.device)).sum(-1)
    values = (words[..., None] >> _starts(bits, 8, codes.device)) & 0xFF
    stream: Tensor = values.to(torch.uint8).reshape(rows, -1)
    return stream


def unpack(packed: Tensor, bits: int, count: int) -> Tensor:
    """Return the uint8 codes `[rows, count]` that `pack` has packed.

    Args:
        packed: uint8 `[rows, bytes]`.
        bits: Bits per code, 1 to 8.
        count: Codes per row.
    """
    if bits == BITS_IN_BYTE:
        codes = packed
    elif BITS_IN_BYTE % bits == 0:
        codes = _look_up(packed, bits)
    else:
        codes = _spread(packed.unflatten(1, (-1, bits)), bits).flatten(1)
    return codes[:, :count]


def _look_up(packed: Tensor, bits: int) -> Tensor:
    """Return the codes in bytes `[rows, n]`, with one table lookup per byte."""
    words = _table(bits, packed.device).index_select(0, packed.flatten().int())
    return words.view(torch.uint8).reshape(len(packed), packed.shape[1] * (BITS_IN_BYTE // bits))


def _spread(eights: Tensor, bits: int) -> Tensor:
    """Return the codes `[rows, n, 8]` in bytes `[rows, n, bits]`, eight codes per 64-bit word.

    The eight codes start side by side in the low bits of a word. The upper four move up to bit 32,
    then the upper two of each half, then the upper one of each pair; moving a field up by s bits
    adds it 2^s − 1 times (Warren, Hacker's Delight, 7-5, "expand").
    """
    padded: Tensor = nn.functional.pad(eights, (0, 8 - bits))
    words = padded.view(torch.int64)[..., 0]
    moved = torch.empty_like(words)
    for count in (4, 2, 1):
        width, apart = count * bits, count * 8
        torch.bitwise_and(words, _upper(width, apart), out=moved)
        words.add_(moved, alpha=(1 << (apart - width)) - 1)
    return padded


@cache
def _upper(width: int, apart: int) -> int:
    """Return the 64-bit mask of the upper field of every pair of adjacent fields."""
    ones = ((1 << width) - 1) << width
    # The highest bit set is 61, so the mask fits into a signed int64.
    return sum(ones << start for start in range(0, 64, 2 * apart))


def join_bytes(values: Tensor) -> Tensor:
    """Return rows of values `[n, count]`, of 2, 4 or 8 bytes each, as one integer per row `[n]`."""
    words: Tensor = values.contiguous().view(WORDS[values.shape[1] * values.element_size()])
    return words[:, 0]


@cache
def _table(bits: int, device: torch.device) -> Tensor:
    """Return the lookup table of all 256 bytes: the codes of each, one per byte, as one integer."""
    # The cached tensor must also be usable in autograd, even if created in inference mode.
    with torch.inference_mode(False), device:
        values = torch.arange(2**BITS_IN_BYTE)[:, None]
        codes = (values >> _starts(BITS_IN_BYTE // bits, bits, values.device)) & (2**bits - 1)
        return join_bytes(codes.to(torch.uint8))


def _starts(count: int, width: int, device: torch.device) -> Tensor:
    return torch.arange(count, device=device) * width
