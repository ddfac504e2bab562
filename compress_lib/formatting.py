"""Numbers as people read them."""

from __future__ import annotations


def format_bytes(nbytes: float) -> str:
    """Return bytes with a decimal unit, e.g. `269 MB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(nbytes) >= size:
            value = nbytes / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{nbytes:.0f} B"


def format_seconds(seconds: float) -> str:
    """Return a duration, e.g. `4.2 s` or `3 min 20 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def format_perplexity(value: float) -> str:
    """Return a perplexity with the digits that mean something."""
    if value < 1000:
        return f"{value:.2f}"
    return f"{value:,.0f}" if value < 1e9 else f"{value:.3g}"
