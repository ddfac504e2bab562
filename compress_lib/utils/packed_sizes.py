"""Byte sizes of packed codes. Does not import torch, so plans can be previewed without it."""

from __future__ import annotations


def packed_width(count: int, bits: int) -> int:
    """Return the bytes of a packed row, padded to a multiple of eight codes.

    Args:
        count: Codes in the row.
        bits: Bits per code.
    """
    return -(-count // 8) * bits


def grouped_bytes(shape: tuple[int, int], bits: int, group: int, per_group: int) -> int:
    """Return the bytes of group-wise quantized codes `[rows, cols]` with their group scales.

    Args:
        shape: `[rows, cols]`.
        bits: Bits per code.
        group: Columns per group; 0 makes each row one group.
        per_group: Additional bytes per group of a row, e.g. of its scale and minimum.
    """
    rows, cols = shape
    groups = -(-cols // group) if group else 1
    return rows * (packed_width(cols, bits) + groups * per_group)


def code_bytes(count: int, bits: int) -> int:
    """Return the bytes of a packed row, without padding if codes are whole bytes.

    Args:
        count: Codes in the row.
        bits: Bits per code.
    """
    return count if bits == 8 else packed_width(count, bits)


def number_bits(count: int) -> int:
    """Return the bits of an index from 0 to `count` − 1; 0 if `count` is 1."""
    return (count - 1).bit_length()


def members_bytes(rows: int, blocks: int) -> int:
    """Return the bytes of the packed block index of every row.

    Args:
        rows: Number of rows.
        blocks: Number of blocks.
    """
    return packed_width(rows, number_bits(blocks))
