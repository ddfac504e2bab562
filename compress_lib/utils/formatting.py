"""Number formatting: bytes, counts, durations, percentages and perplexities."""

from __future__ import annotations

from math import ceil


def format_bytes(nbytes: float) -> str:
    """Return bytes with a decimal unit, e.g. `269 MB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        # Values that would round to 1000 of a unit are shown as 1 of the next.
        if abs(nbytes) >= 0.9995 * size:
            value = nbytes / size
            return f"{value:.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"
    return f"{nbytes:.0f} B"


def format_count(count: float) -> str:
    """Return a large number with a decimal prefix, e.g. `1.9 G`."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        # Values that would round to 1000 of a prefix are shown as 1 of the next.
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {prefix}"
    return f"{count:.0f}"


def format_seconds(seconds: float) -> str:
    """Return a duration, e.g. `4.2 s` or `3 min 20 s`."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def format_left(seconds: float) -> str:
    """Return a remaining time, rounded up to whole seconds, e.g. `9 s`."""
    return f"{max(ceil(seconds), 1)} s" if seconds <= 59 else format_seconds(seconds)


def format_perplexity(value: float) -> str:
    """Return a perplexity with its significant digits, e.g. `21.49` or `109,762`."""
    if value < 999.995:
        return f"{value:.2f}"
    return f"{value:,.0f}" if value < 1e9 else f"{value:.3g}"


def format_share(share: float, digits: int = 1) -> str:
    """Return a fraction as a percentage, e.g. `89.5%`.

    Args:
        share: The fraction, e.g. 0.895.
        digits: Digits after the decimal point.
    """
    return f"{100 * share:.{digits}f}%"


def format_number(value: float) -> str:
    """Return a number with four significant digits, or without decimals from 1,000 up."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def format_keep(share: float) -> str:
    """Return a minimum `keep`, rounded up so that the printed value is sufficient."""
    return f"{ceil(share * 10_000) / 10_000:.4f}"
