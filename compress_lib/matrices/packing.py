"""Small whole numbers, several in a byte: for quantization codes and for bitmasks.

Eight codes of `bits` bits fill exactly `bits` bytes, as one stream whose lowest bits come first:
code i of eight starts at bit i · bits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compress_lib.packed_sizes import packed_width

__all__ = ["pack", "packed_width", "unpack"]

BITS_IN_BYTE = 8


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
    mask = 2**bits - 1
    if bits == BITS_IN_BYTE:
        codes = packed
    elif BITS_IN_BYTE % bits == 0:
        # No code crosses a byte, so bytes need not be joined to words eight times their size.
        shifts = _starts(8 // bits, bits, packed.device).to(torch.uint8)
        codes = ((packed[..., None] >> shifts) & mask).flatten(1)
    else:
        eights = packed.to(torch.int64).unflatten(1, (-1, bits))
        words = (eights << _starts(bits, 8, packed.device)).sum(-1)
        codes = ((words[..., None] >> _starts(8, bits, packed.device)) & mask).flatten(1)
    return codes[:, :count].to(torch.uint8)


def _starts(count: int, width: int, device: torch.device) -> Tensor:
    return torch.arange(count, device=device) * width
