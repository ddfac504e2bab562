"""Terminal output of commands: results to stdout, progress to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from compress_lib.utils.formatting import format_left
from compress_lib.utils.progress import EtaEstimator, Event, Milestone


def write_json(data: object) -> None:
    """Write JSON to stdout."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def write_line(text: str = "") -> None:
    """Write a line to stdout."""
    sys.stdout.write(text + "\n")


def write_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table with aligned columns to stdout; numeric columns are right-aligned.

    Args:
        header: The column titles.
        rows: One cell per column; None is written as an empty cell.
    """
    cells = [list(header)] + [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    numeric = [
        all(_is_number(row[column]) for row in cells[1:] if row[column]) and len(cells) > 1
        for column in range(len(header))
    ]
    for row in cells:
        parts = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        write_line("  ".join(parts).rstrip())


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").removesuffix("%"))
    except ValueError:
        return False
    return True


class ProgressLine:
    """Progress on stderr: one rewritten line on a terminal, otherwise one line per milestone."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._eta = EtaEstimator()
        self._last = 0.0
        self._width = 0

    def __call__(self, event: Event) -> None:
        """Show an event: a permanent line for a milestone, else at most ten updates a second."""
        if isinstance(event, Milestone):
            self.line(event.fraction, event.message)
            return
        now = time.monotonic()
        if not self._live or (now - self._last < 0.1 and event.fraction < 1):
            return
        self._last = now
        seconds = self._eta.seconds(event.fraction)
        eta = f", {format_left(seconds)} left" if seconds is not None else ""
        self._rewrite(f"{event.fraction:4.0%} {event.message}{eta}")

    def line(self, fraction: float, message: str) -> None:
        """Write a permanent line with the estimated time left.

        Args:
            fraction: The share of the work that is done, in [0, 1].
            message: The text of the line.
        """
        if self._live:
            self._rewrite("")
            sys.stderr.write("\r")
        seconds = self._eta.seconds(fraction)
        eta = f" ({format_left(seconds)} left)" if seconds is not None else ""
        sys.stderr.write(f"{fraction:4.0%} {message}{eta}\n")
        sys.stderr.flush()
        self._width = 0

    def _rewrite(self, text: str) -> None:
        text = text[:110]
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)
