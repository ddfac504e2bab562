"""How many bytes packed codes take. Knows no torch, so that a plan can be previewed."""

from __future__ import annotations


def packed_width(count: int, bits: int) -> int:
    """Return the bytes of a row of `count` codes, filled up to a multiple of eight codes."""
    return -(-count // 8) * bits


def code_bytes(count: int, bits: int) -> int:
    """Return the same without filling where codes are whole bytes."""
    return count if bits == 8 else packed_width(count, bits)


def number_bits(count: int) -> int:
    """Return the bits of a number from 0 to `count` − 1; none where there is no choice."""
    return (count - 1).bit_length()


def members_bytes(rows: int, blocks: int) -> int:
    """Return the bytes that say of every row which block it belongs to."""
    return packed_width(rows, number_bits(blocks))
