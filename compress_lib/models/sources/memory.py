"""Whether a model fits into this machine, told from its number of weights."""

from __future__ import annotations

from pathlib import Path

from compress_lib.errors import ModelUnavailableError
from compress_lib.utils.formatting import format_bytes
from compress_lib.utils.profiles import limits

BYTES_PER_WEIGHT = 4
"""Computation on a CPU is in float32."""

WORKING_SHARE = 1.6
"""The model, its largest matrix decomposed in float64, and logits of both models."""

CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the bytes that can still be used, a container's limit included."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.exists() and used.exists():
        text = limit.read_text().strip()
        if text.isdigit():
            free = min(free, int(text) - int(used.read_text()) + _reclaimable())
    return free


def _reclaimable() -> int:
    """Return the bytes of read files that a container's kernel keeps only while it has room."""
    stat = CGROUP / "memory.stat"
    lines = stat.read_text().splitlines() if stat.exists() else []
    counts = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(counts.get("inactive_file", 0))


def check_memory(model: str, parameters: int) -> None:
    """Refuse a model that would not fit, before anything is downloaded or converted.

    Raises:
        ModelUnavailableError: It has more weights than the page serves, or needs more memory than
            is available.
    """
    most = limits().get("parameters")
    if most is not None and parameters > most:
        raise ModelUnavailableError(
            f"{model} has {parameters / 1e6:,.0f} million weights; this page takes models of at "
            f"most {most / 1e6:,.0f} million. On a machine of your own there is no such limit: "
            "compress-lab app."
        )
    needed = int(parameters * BYTES_PER_WEIGHT * WORKING_SHARE)
    free = available_memory()
    if needed > free:
        raise ModelUnavailableError(
            f"{model} has {parameters / 1e6:,.0f} million weights and needs about "
            f"{format_bytes(needed)} of memory, but {format_bytes(free)} are available here. "
            "Choose a smaller model."
        )
