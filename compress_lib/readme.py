"""The parts of README.md that are made from the code, so that they cannot drift from it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from compress_lib.catalogue import CATALOGUE
from compress_lib.corpora import CORPORA
from compress_lib.formatting import format_perplexity
from compress_lib.landmarks import load_landmarks
from compress_lib.methods import METHODS
from compress_lib.metrics import METRICS
from compress_lib.results import RunRecord, describe


def fill(text: str) -> str:
    """Return a README with every block between its markers made afresh."""
    for name, rows in _blocks().items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        found = marks.search(text)
        if found:
            body = "".join(f"{row}\n" for row in rows)
            text = text[: found.start()] + found[1] + body + found[2] + text[found.end() :]
    return text


def _blocks() -> dict[str, list[str]]:
    return {
        "methods": _table(
            ("method", "what it does", "options", "source"),
            (
                (
                    f"`{method.name}`",
                    method.summary,
                    ", ".join(f"`{option.name}`" for option in method.options()) or "none",
                    method.paper,
                )
                for method in METHODS.values()
            ),
        ),
        "metrics": _table(
            ("number", "better", "what it means"),
            (
                (
                    metric.label + (f" ({metric.unit})" if metric.unit not in ("", "×") else ""),
                    "lower" if metric.lower_is_better else "higher",
                    metric.meaning,
                )
                for metric in METRICS.values()
            ),
        ),
        "models": _table(
            ("name", "Hub id", "weights", "licence"),
            (
                (
                    f"`{entry.name}`",
                    entry.hub_id,
                    f"{entry.parameters / 1e6:.0f} million",
                    entry.license + (", gated" if entry.gated else ""),
                )
                for entry in CATALOGUE.values()
            ),
        ),
        "landmarks": _table(
            ("run", "perplexity", "size", "same first choice", "direction error"),
            (_landmark(record) for record in load_landmarks()),
        ),
        "texts": _table(
            ("corpus", "what it is", "licence"),
            ((f"`{c.name}`", c.label, c.license) for c in CORPORA.values()),
        ),
    }


def _landmark(record: RunRecord) -> tuple[str, ...]:
    memory, found = record.memory, record.metrics()
    direction = found["direction_error"]
    return (
        describe(record),
        format_perplexity(record.perplexity.compressed),
        f"{memory.compressed_bytes / 1e6:.0f} MB "
        f"({memory.compressed_bytes / memory.baseline_bytes:.0%})",
        f"{record.agreement.top1:.1%}",
        "" if direction is None else f"{direction:.4f}",
    )


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]
