"""How many bytes packed codes take. Knows no torch, so that a plan can be previewed."""

from __future__ import annotations


def packed_width(count: int, bits: int) -> int:
    """Return the bytes of a row of `count` codes, filled up to a multiple of eight codes."""
    return -(-count // 8) * bits


def grouped_bytes(shape: tuple[int, int], bits: int, group: int, per_group: int) -> int:
    """Return the bytes of codes `[rows, cols]`, and of what groups of columns share.

    Args:
        shape: `[rows, cols]`.
        bits: Of a code.
        group: Columns in a group; 0 takes whole rows.
        per_group: Bytes that each group of a row stores besides.
    """
    rows, cols = shape
    groups = -(-cols // group) if group else 1
    return rows * (packed_width(cols, bits) + groups * per_group)


def code_bytes(count: int, bits: int) -> int:
    """Return the same without filling where codes are whole bytes."""
    return count if bits == 8 else packed_width(count, bits)


def number_bits(count: int) -> int:
    """Return the bits of a number from 0 to `count` − 1; none where there is no choice."""
    return (count - 1).bit_length()


def members_bytes(rows: int, blocks: int) -> int:
    """Return the bytes that say of every row which block it belongs to."""
    return packed_width(rows, number_bits(blocks))
