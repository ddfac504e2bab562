"""Memory check: whether a model fits into RAM, estimated from its number of weights."""

from __future__ import annotations

from pathlib import Path

from compress_lib.errors import ModelUnavailableError
from compress_lib.utils.formatting import format_bytes
from compress_lib.utils.profiles import limits

BYTES_PER_WEIGHT = 4
"""Bytes per weight: computation on a CPU is in float32."""

WORKING_SHARE = 1.6
"""Peak memory ÷ model size: the model, its largest matrix decomposed in float64, and the logits
of both models."""

CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the available memory in bytes, including a container's limit."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.exists() and used.exists():
        text = limit.read_text().strip()
        if text.isdigit():
            free = min(free, int(text) - int(used.read_text()) + _reclaimable())
    return free


def _reclaimable() -> int:
    """Return the bytes of the container's page cache that the kernel can reclaim."""
    stat = CGROUP / "memory.stat"
    lines = stat.read_text().splitlines() if stat.exists() else []
    counts = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(counts.get("inactive_file", 0))


def check_memory(model: str, parameters: int) -> None:
    """Refuse a model that would not fit, before anything is downloaded or converted.

    Args:
        model: Name of the model, for the message.
        parameters: Number of weights.

    Raises:
        ModelUnavailableError: It has more weights than this deployment allows, or needs more
            memory than is available.
    """
    allowed = limits().get("parameters")
    if allowed is not None and parameters > allowed:
        raise ModelUnavailableError(
            f"{model} has {parameters / 1e6:,.0f} million weights; this server allows models of at "
            f"most {allowed / 1e6:,.0f} million. To use larger models, run `compress-lab app` on "
            "your own machine."
        )
    needed = int(parameters * BYTES_PER_WEIGHT * WORKING_SHARE)
    free = available_memory()
    if needed > free:
        raise ModelUnavailableError(
            f"{model} has {parameters / 1e6:,.0f} million weights and needs about "
            f"{format_bytes(needed)} of memory, but only {format_bytes(free)} are available. "
            "Choose a smaller model."
        )
