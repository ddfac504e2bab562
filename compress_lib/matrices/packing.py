"""Small whole numbers, several in a byte: for quantization codes and for bitmasks.

Eight codes of `bits` bits fill exactly `bits` bytes, as one stream whose lowest bits come first:
code i of eight starts at bit i · bits.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from compress_lib.utils.packed_sizes import packed_width

__all__ = ["pack", "packed_width", "unpack"]

BITS_IN_BYTE = 8
WORDS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The type of so many bytes."""


def pack(codes: Tensor, bits: int) -> Tensor:
    """Pack codes `[rows, count]` from 0 to 2^bits − 1 into bytes.

    Returns:
        uint8 `[rows, packed_width(count, bits)]`.
    """
    rows, count = codes.shape
    filled: Tensor = nn.functional.pad(codes.to(torch.uint8), (0, -count % 8))
    if bits == BITS_IN_BYTE:
        return filled
    eights = filled.to(torch.int64).unflatten(1, (-1, 8))
    # At most 7 · 8 = 56 bits, so the sign of an int64 is never touched.
    words = (eights << _starts(8, bits, codes.device)).sum(-1)
    found = (words[..., None] >> _starts(bits, 8, codes.device)) & 0xFF
    stream: Tensor = found.to(torch.uint8).reshape(rows, -1)
    return stream


def unpack(packed: Tensor, bits: int, count: int) -> Tensor:
    """Undo `pack`: uint8 `[rows, bytes]` to uint8 codes `[rows, count]`."""
    if bits == BITS_IN_BYTE:
        codes = packed
    elif BITS_IN_BYTE % bits == 0:
        codes = _look_up(packed, bits)
    else:
        codes = _spread(packed.unflatten(1, (-1, bits)), bits).flatten(1)
    return codes[:, :count]


def _look_up(packed: Tensor, bits: int) -> Tensor:
    """Return the codes in bytes `[rows, n]`: one look at a table for several."""
    found = _table(bits, packed.device).index_select(0, packed.flatten().int())
    return found.view(torch.uint8).reshape(len(packed), packed.shape[1] * (BITS_IN_BYTE // bits))


def _spread(eights: Tensor, bits: int) -> Tensor:
    """Return eight codes `[rows, n, 8]` of bytes `[rows, n, bits]`, all of a number at once.

    Eight codes lie side by side at the lower end of a number of 64 bits. Its upper half of them
    goes up to bit 32, then the upper half of each half, then that of each pair; moving a field up
    by s bits adds it 2^s − 1 times (Warren, Hacker's Delight, 7-5, "expand").
    """
    filled: Tensor = nn.functional.pad(eights, (0, 8 - bits))
    words = filled.view(torch.int64)[..., 0]
    moved = torch.empty_like(words)
    for count in (4, 2, 1):
        width, apart = count * bits, count * 8
        torch.bitwise_and(words, _upper(width, apart), out=moved)
        words.add_(moved, alpha=(1 << (apart - width)) - 1)
    return filled


@cache
def _upper(width: int, apart: int) -> int:
    """Return ones where the upper of two neighbouring fields lies, for every pair in 64 bits."""
    ones = ((1 << width) - 1) << width
    # The highest is bit 61: torch's signed numbers hold them.
    return sum(ones << start for start in range(0, 64, 2 * apart))


def join_bytes(values: Tensor) -> Tensor:
    """Return rows of values `[n, count]` of 2, 4 or 8 bytes in all as one number each, `[n]`."""
    whole: Tensor = values.contiguous().view(WORDS[values.shape[1] * values.element_size()])
    return whole[:, 0]


@cache
def _table(bits: int, device: torch.device) -> Tensor:
    """Return for every byte its codes, one a byte, as one number."""
    # Made once, and maybe where no gradients are known: what is kept must serve everywhere.
    with torch.inference_mode(False), device:
        each = torch.arange(2**BITS_IN_BYTE)[:, None]
        codes = (each >> _starts(BITS_IN_BYTE // bits, bits, each.device)) & (2**bits - 1)
        return join_bytes(codes.to(torch.uint8))


def _starts(count: int, width: int, device: torch.device) -> Tensor:
    return torch.arange(count, device=device) * width
