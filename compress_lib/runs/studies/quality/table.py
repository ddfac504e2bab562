"""Table of all rows of `bench quality`, and its findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import scipy

from compress_lib.models.catalogue import was_quantized
from compress_lib.plan.plan import Plan
from compress_lib.runs.studies.quality.rows import FOLDER, Measured, OnText, QualityRow, load_rows
from compress_lib.runs.studies.record import Row, StudyRecord, Value

NAME = "quality"
MARK = "†"

COLUMNS = {
    "method": "method",
    "keep": "keep",
    "megabytes": "MB",
    "share": "size (%)",
    "file_megabytes": "file MB",
    "perplexity": "perplexity",
    "ratio": "× baseline",
    "kl": "KL",
    "top1": "top-1 (%)",
    "second_perplexity": "perplexity, 2nd text",
    "second_ratio": "× baseline, 2nd text",
    "second_kl": "KL, 2nd text",
    "second_top1": "top-1 (%), 2nd text",
    "estimate": "estimated loss",
    "compress_seconds": "compression s",
    "seconds": "total s",
    "note": "note",
}

FEWEST = 3
"""Minimum number of rows for a correlation."""

SMALL_KL = 1.0
"""Nats per token; above, a model is so damaged that a second-order estimate is meaningless."""


def load_quality(folder: Path = FOLDER) -> StudyRecord | None:
    """Return the table of the bundled rows, or None if there are none."""
    return quality_study(load_rows(folder))


def quality_study(rows: Sequence[QualityRow]) -> StudyRecord | None:
    """Return the rows as one table, the largest model first, refused plans last.

    Args:
        rows: Rows of the same model and texts.

    Returns:
        The table; None if no row has results.
    """
    ordered = sorted(rows, key=_sort_key)
    measured = [row for row in ordered if row.found]
    if not measured:
        return None
    first = measured[0].found
    assert first is not None
    return StudyRecord(
        name=NAME,
        label="Whole model, all methods",
        question="How good is a model whose matrices, including the embedding, are all compressed?",
        columns=dict(COLUMNS),
        rows=tuple(_values(row) for row in ordered),
        settings={},
        model=measured[0].model,
        baseline=first.text.perplexity.baseline,
        text=_describe_texts(first, measured[0].plan),
        created=max(row.created for row in measured),
        seconds=sum(row.found.seconds["total"] for row in measured if row.found),
        environment=measured[0].environment,
    )


def quality_findings(record: StudyRecord) -> list[str]:
    """Return the quality of the loss estimate and the notes on the table, as sentences."""
    pairs = [
        (estimate, kl)
        for estimate, kl in ((_number(r, "estimate"), _number(r, "kl")) for r in record.rows)
        if 0 < estimate < math.inf and 0 < kl < math.inf
    ]
    small = [pair for pair in pairs if pair[1] < SMALL_KL]
    sentences = []
    for subset, scope in (
        (pairs, f"all {len(pairs)} compressed models"),
        (small, f"the {len(small)} models with a KL below {SMALL_KL:g}"),
    ):
        if len(subset) >= FEWEST:
            ranks, logs = rank_correlation(subset), log_correlation(subset)
            sentences.append(
                f"Estimated loss increase vs. measured KL over {scope}: Spearman correlation "
                f"{ranks:.3f}, Pearson correlation of the logarithms {logs:.3f}."
            )
    sentences.append(
        "Seconds exclude the collection of the calibration statistics for the estimate and some "
        "methods, which is done once for all rows."
    )
    if any(str(row["method"]).endswith(MARK) for row in record.rows):
        sentences.append(
            f"{MARK} These weights were quantized once already ({record.model.source}), so "
            "quantizing them to 4 bits again is not representative: groups that match the first "
            "grid are recovered exactly and look too good, others are quantized twice."
        )
    return sentences


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Return Spearman's rank correlation; NaN if one side is constant."""
    return _correlation(scipy.stats.spearmanr, pairs)


def log_correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Return Pearson's correlation of the logarithms of positive numbers.

    NaN if one side is constant.
    """
    return _correlation(scipy.stats.pearsonr, [(math.log(x), math.log(y)) for x, y in pairs])


def _correlation(
    measure: Callable[[Sequence[float], Sequence[float]], Any],
    pairs: Sequence[tuple[float, float]],
) -> float:
    first, second = zip(*pairs, strict=True)
    # SciPy also returns NaN for a constant side, but with a warning.
    constant = len(set(first)) < 2 or len(set(second)) < 2
    return math.nan if constant else float(measure(first, second).statistic)


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else math.nan


def _sort_key(row: QualityRow) -> tuple[bool, int, str]:
    return row.found is None, -row.found.memory.compressed_bytes if row.found else 0, row.name


def _values(row: QualityRow) -> dict[str, Value]:
    marked = row.four_bit and was_quantized(row.model.source)
    values: dict[str, Value] = {
        "method": f"{row.label} {MARK}" if marked else row.label,
        "keep": row.keep,
        "note": f"refused: {row.refused}" if row.refused else None,
    }
    found = row.found
    if found is None:
        return values
    before, after = found.memory.baseline_bytes, found.memory.compressed_bytes
    return {
        **values,
        "megabytes": after / 1e6,
        "share": 100 * after / before,
        "file_megabytes": found.file_bytes / 1e6,
        **_on_text(found.text, ""),
        **_on_text(found.second, "second_"),
        "estimate": found.estimate,
        "compress_seconds": found.seconds["compress"],
        "seconds": found.seconds["total"],
    }


def _on_text(found: OnText, prefix: str) -> dict[str, Value]:
    values = {
        "perplexity": found.perplexity.compressed,
        "ratio": found.perplexity.ratio,
        "kl": found.agreement.kl,
        "top1": 100 * found.agreement.top1,
    }
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    return {prefix + name: finite.get(name) for name in values}


def _describe_texts(found: Measured, plan: Plan) -> str:
    text, second = found.text.perplexity, found.second.perplexity
    description = f"{text.tokens:,} tokens of {text.corpus}, context {text.context}"
    return (
        f"{description}; second text: {second.tokens:,} tokens of {second.corpus}, baseline "
        f"{second.baseline:.2f}; calibration on at most {plan.calibration.tokens:,} tokens of "
        f"{Path(plan.calibration.corpus).name}"
    )
