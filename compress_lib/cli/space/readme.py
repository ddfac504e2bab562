"""The parts of README.md that are made from the code, so that they cannot drift from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from compress_lib.data.corpora import CORPORA
from compress_lib.methods import METHODS
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.results.describe import describe
from compress_lib.results.landmarks import load_landmarks
from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord
from compress_lib.runs.studies import load_studies
from compress_lib.runs.studies.findings import findings
from compress_lib.runs.studies.quality.table import NAME as QUALITY
from compress_lib.runs.studies.record import format_value
from compress_lib.utils.formatting import format_perplexity, format_share

STUDY_COLUMNS = (
    *("matrices", "times_smaller", "grouping", "method"),
    *("direction_error", "rmse", "perplexity", "kl", "note"),
)
"""What the README shows of a paper's grid; the rest is in `assets/landmarks/studies`."""

QUALITY_COLUMNS = (
    *("method", "keep", "megabytes", "share", "perplexity", "kl", "top1"),
    *("second_perplexity", "second_kl", "estimate", "seconds", "note"),
)
"""The same of `bench quality`, whose rows are in `assets/landmarks/quality`."""


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
            ("method", "on the page", "what it does", "options", "source"),
            (
                (
                    f"`{method.name}`",
                    method.label,
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
        QUALITY: _study(QUALITY, QUALITY_COLUMNS),
        "p1": _study("p1"),
        "p2": _study("p2"),
        "direction_norm": _findings("direction_norm"),
        "sensitivity": _findings("sensitivity"),
        "texts": _table(
            ("corpus", "what it is", "licence"),
            ((f"`{c.name}`", c.label, c.license) for c in CORPORA.values()),
        ),
    }


def _study(name: str, wanted: Sequence[str] = STUDY_COLUMNS) -> list[str]:
    """Return what a study found, and its rows without the minor columns."""
    record = load_studies().get(name)
    if record is None:
        return []
    columns = [column for column in wanted if column in record.columns]
    rows = [tuple(format_value(row.get(column)) for column in columns) for row in record.rows]
    header = tuple(record.columns[column] for column in columns)
    about = f"- {record.model.id}, baseline perplexity {record.baseline:.2f} on {record.text}."
    told = [about] if name == QUALITY else []
    return [*told, *_findings(name), "", *_table(header, rows)]


def _findings(name: str) -> list[str]:
    record = load_studies().get(name)
    return [] if record is None else [f"- {sentence}" for sentence in findings(record)]


def _landmark(record: RunRecord) -> tuple[str, ...]:
    memory, found = record.memory, record.metrics()
    direction = found["direction_error"]
    return (
        describe(record),
        format_perplexity(record.perplexity.compressed),
        f"{memory.compressed_bytes / 1e6:.0f} MB ({format_share(memory.share, 0)})",
        format_share(record.agreement.top1),
        "" if direction is None else f"{direction:.4f}",
    )


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]
