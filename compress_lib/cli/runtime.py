"""Process settings for OpenMP and malloc. Does not import torch, which must come after them."""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameter numbers of glibc's `mallopt(3)`."""

LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""Bytes: the maximum that glibc accepts."""

KEPT_FREE = 2**30
"""Bytes of freed memory that the process keeps."""


def configure_runtime() -> None:
    """Make waiting threads sleep and malloc reuse freed memory; call before importing torch.

    With two cores and a second process, spinning threads made one decomposition 40 times slower.
    By default, glibc returns every freed megabyte to the system, which hands it out again page by
    page: decoding a quantized embedding of 28 million entries for one token took five times as
    long, and prefill of a prompt a seventh longer.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        adjust = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # Not glibc, so there is no `mallopt`.
    adjust(MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    adjust(TRIM_THRESHOLD, KEPT_FREE)
