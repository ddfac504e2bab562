"""HTML fragments and table rows of records. All user and model text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite

from compress_lib.models.catalogue import was_quantized
from compress_lib.results.describe import unique_labels
from compress_lib.results.records import RunRecord
from compress_lib.results.token_record import (
    DirectionRecord,
    Neighbour,
    TokenError,
    TokenNeighbours,
)
from compress_lib.ui.common import texts
from compress_lib.utils.formatting import format_left, format_perplexity

MIN_SPARK, MOST_SPARK = 2, 100
"""Minimum and maximum number of points of a training curve."""

COLUMNS = (
    ("perplexity", 2),
    ("perplexity_ratio", 3),
    ("megabytes", 0),
    ("size_share", 1),
    ("kl", 3),
    ("top1", 1),
    ("direction_error", 4),
)
"""Columns of the table of runs after the name: metric and number of decimals."""


MARK = (
    '<svg viewBox="0 0 40 40" aria-hidden="true"><rect x="4" y="6" width="32" height="7" rx="3"/>'
    '<rect x="8" y="16.5" width="24" height="7" rx="3"/>'
    '<rect x="13" y="27" width="14" height="7" rx="3"/></svg>'
)


def header() -> str:
    """Return the page header: title, subtitle and the three steps."""
    steps = "".join(f"<li><b>{escape(what)}</b> {escape(more)}</li>" for what, more in texts.STEPS)
    return (
        f'<header><div class="brand">{MARK}<div><h1>{escape(texts.TITLE)}</h1>'
        f"<p>{escape(texts.SUBTITLE)}</p></div></div><ol>{steps}</ol></header>"
    )


def status(
    message: str,
    fraction: float | None = None,
    left: float | None = None,
    losses: Sequence[float] = (),
) -> str:
    """Return the status line, with a progress bar and a training curve.

    Args:
        message: The status.
        fraction: Progress from 0 to 1; no bar if None.
        left: Estimated remaining seconds, or None.
        losses: Training loss per epoch so far.
    """
    ahead = texts.LEFT.format(time=format_left(left)) if left is not None else ""
    bar = ""
    if fraction is not None:
        percent = f"{100 * min(max(fraction, 0), 1):.0f}"
        bar = (
            f'<div class="bar" role="progressbar" aria-label="{escape(message, quote=True)}" '
            f'aria-valuenow="{percent}"><span style="width:{percent}%"></span></div>'
        )
    return (
        f'<div class="status"><span>{escape(message)}</span>'
        f'<span class="quiet">{escape(ahead)}</span></div>{bar}{_spark(losses)}'
    )


def so_far(baseline: float, compressed: float, blocks: int) -> str:
    """Return the line with the perplexity so far of a running evaluation.

    Args:
        baseline: Perplexity of the original model.
        compressed: Perplexity of the compressed model.
        blocks: Number of evaluated blocks.
    """
    line = texts.PERPLEXITY_SO_FAR.format(
        compressed=format_perplexity(compressed),
        ratio=f"{compressed / baseline:.4g}",
        baseline=format_perplexity(baseline),
        blocks=blocks,
    )
    return f'<p class="so-far">{escape(line)}</p>'


def so_far_shown() -> str:
    """Return a link to the results of a run that is still generating text."""
    return f'<p class="so-far"><a href="#headline">{escape(texts.PERPLEXITY_SHOWN)}</a></p>'


def _spark(losses: Sequence[float]) -> str:
    """Return an SVG line chart of losses; empty if there are too few."""
    losses = [loss for loss in losses if isfinite(loss)]
    losses = losses[:: -(-len(losses) // MOST_SPARK) or 1]
    if len(losses) < MIN_SPARK:
        return ""
    low, high = min(losses), max(losses)
    points = " ".join(
        f"{100 * index / (len(losses) - 1):.1f},{30 - 28 * (loss - low) / (high - low or 1):.1f}"
        for index, loss in enumerate(losses)
    )
    label = escape(texts.SPARK.format(first=losses[0], last=losses[-1]), quote=True)
    return (
        f'<svg class="spark" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" '
        f'aria-label="{label}"><title>{label}</title><polyline points="{points}"/></svg>'
    )


def failure(message: str) -> str:
    """Return an error message as a status line."""
    return f'<div class="status failure" role="alert">{escape(message)}</div>'


def run_rows(records: Sequence[RunRecord]) -> list[list[str | float]]:
    """Return the rows of the table of runs; metrics are numbers, so that they sort."""
    rows: list[list[str | float]] = []
    for label, record in zip(unique_labels(records), records, strict=True):
        metrics = record.metrics()
        numbers = (_round(metrics[name], digits) for name, digits in COLUMNS)
        rows.append([label, *numbers])
    return rows


def _round(value: float | None, digits: int) -> str | float:
    if value is None:
        return ""
    return round(value) if digits == 0 or abs(value) >= 1000 else round(value, digits)


def matrix_rows(record: RunRecord) -> list[list[str]]:
    """Return the rows of the table of compressed matrices."""
    return [
        [
            " = ".join(target.names),
            target.method,
            "" if target.rank is None else str(target.rank),
            f"{target.rows} × {target.cols}",
            f"{100 * target.bytes_after / target.bytes_before:.1f}",
            *("" if value is None else f"{value:.4g}" for value in target.errors.values()),
            target.group or "",
            target.orientation,
            f"{target.seconds:.2f}",
        ]
        for target in record.targets
    ]


def token_rows(
    direction: DirectionRecord,
    asked: Sequence[TokenError] = (),
    near_asked: Sequence[TokenNeighbours] = (),
) -> list[list[str | float]]:
    """Return the rows of the token table; tokens are quoted to make white space visible.

    Args:
        direction: Direction errors and neighbours of a run's tokens.
        asked: Tokens that were looked up; they come first.
        near_asked: Their nearest neighbours.
    """
    lists = (
        (texts.ASKED, asked),
        (texts.WORST, direction.worst),
        (texts.FREQUENT, direction.frequent),
        (texts.BEST, direction.best),
    )
    neighbours_of = {item.id: item for item in (*direction.neighbours, *near_asked)}
    rows: list[list[str | float]] = []
    for label, tokens in lists:
        for item in tokens:
            near = neighbours_of.get(item.id)
            before, after = (near.before, near.after) if near else ((), ())
            count = "" if item.count is None else item.count
            kept = len({n.token for n in before} & {n.token for n in after}) if near else ""
            neighbours = [_join_tokens(before), _join_tokens(after), kept]
            rows.append([repr(item.token), label, float(f"{item.error:.3g}"), count, *neighbours])
    return rows


def _join_tokens(neighbours: Sequence[Neighbour]) -> str:
    return "  ".join(repr(found.token) for found in neighbours)


def legend(entries: Sequence[tuple[str, str, str]]) -> str:
    """Return the legend of a chart from its signs, colours and names."""
    items = "".join(
        f'<li><span style="color:{colour}" aria-hidden="true">{sign}</span> {escape(name)}</li>'
        for sign, colour, name in entries
    )
    return f'<ul class="legend">{items}</ul>'


def provenance(records: Sequence[RunRecord]) -> str:
    """Return a sentence on the origin of precomputed runs."""
    if not records:
        return escape(texts.NO_LANDMARKS)
    first = records[0]
    caveat = f" {texts.ALREADY_QUANTIZED}" if was_quantized(first.model.source) else ""
    return escape(
        texts.PROVENANCE.format(
            count=len(records),
            model=first.model.id,
            corpus=first.perplexity.corpus,
            tokens=f"{first.perplexity.tokens:,}",
            context=first.perplexity.context,
            source=first.model.source,
            version=first.environment.get("compress_lib", ""),
            date=first.created[:10],
        )
        + caveat
    )


def term_id(term: str) -> str:
    """Return the HTML ID of a term's definition in the glossary."""
    return "term-" + "-".join("".join(c if c.isalnum() else " " for c in term.lower()).split())
