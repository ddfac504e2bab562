"""What a process of ours sets before it works. Knows no torch."""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's `mallopt(3)`."""

LARGEST_MMAP_THRESHOLD = 32 * 2**20
KEPT_FREE = 2**30


def configure_runtime() -> None:
    """Let waiting threads sleep, and freed memory be used again; call it before torch is imported.

    Spinning threads, with two cores and a second process, made one decomposition forty times
    slower. And by itself the C library gives every freed megabyte back to the system, which hands
    it out again page by page: decoding a quantized table of 28 million entries for one token took
    five times as long, reading a prompt a seventh longer.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        adjust = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # Not glibc: then its memory is managed in another way.
    adjust(MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    adjust(TRIM_THRESHOLD, KEPT_FREE)
