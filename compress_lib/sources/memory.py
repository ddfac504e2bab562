"""Whether a model fits into this machine, told from its number of weights."""

from __future__ import annotations

from pathlib import Path

from compress_lib.errors import ModelUnavailableError
from compress_lib.formatting import format_bytes

BYTES_PER_WEIGHT = 4
"""Computation on a CPU is in float32."""

WORKING_SHARE = 1.6
"""The model, its largest matrix decomposed in float64, and logits of both models."""


def available_memory() -> int:
    """Return the bytes that can still be used, a container's limit included."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit = Path("/sys/fs/cgroup/memory.max")
    used = Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists():
        text = limit.read_text().strip()
        if text.isdigit():
            free = min(free, int(text) - int(used.read_text()))
    return free


def check_memory(model: str, parameters: int) -> None:
    """Refuse a model that would not fit, before anything is downloaded.

    Raises:
        ModelUnavailableError: It needs more memory than is available.
    """
    needed = int(parameters * BYTES_PER_WEIGHT * WORKING_SHARE)
    free = available_memory()
    if needed > free:
        raise ModelUnavailableError(
            f"{model} has {parameters / 1e6:,.0f} million weights and needs about "
            f"{format_bytes(needed)} of memory, but {format_bytes(free)} are available here. "
            "Choose a smaller model."
        )
