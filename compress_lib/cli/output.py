"""What commands write: results to stdout, progress to stderr."""

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
    """Write aligned columns to stdout, numbers to the right."""
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
    """Progress on stderr: one line that is rewritten on a terminal, single lines elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._left = EtaEstimator()
        self._last = 0.0
        self._width = 0

    def __call__(self, event: Event) -> None:
        """Show an event: milestones leave a line, others at most ten times a second."""
        if isinstance(event, Milestone):
            self.line(event.fraction, event.message)
            return
        now = time.monotonic()
        if not self._live or (now - self._last < 0.1 and event.fraction < 1):
            return
        self._last = now
        left = self._left.seconds(event.fraction)
        ahead = f", {format_left(left)} left" if left is not None else ""
        self._rewrite(f"{event.fraction:4.0%} {event.message}{ahead}")

    def line(self, fraction: float, message: str) -> None:
        """Leave a line that stays, with the time left."""
        if self._live:
            self._rewrite("")
            sys.stderr.write("\r")
        left = self._left.seconds(fraction)
        ahead = f" ({format_left(left)} left)" if left is not None else ""
        sys.stderr.write(f"{fraction:4.0%} {message}{ahead}\n")
        sys.stderr.flush()
        self._width = 0

    def _rewrite(self, text: str) -> None:
        text = text[:110]
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)
