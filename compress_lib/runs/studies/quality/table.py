"""The rows of `bench quality` as one table, and what they say in sentences. Knows no torch."""

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
    "share": "% of bytes",
    "file_megabytes": "file MB",
    "perplexity": "perplexity",
    "ratio": "× baseline",
    "kl": "KL",
    "top1": "same first %",
    "second_perplexity": "second text",
    "second_ratio": "× its",
    "second_kl": "its KL",
    "second_top1": "its same first %",
    "estimate": "estimated growth",
    "compress_seconds": "compress s",
    "seconds": "total s",
    "note": "note",
}

FEWEST = 3
"""Rows for which a correlation says anything."""

SMALL_KL = 1.0
"""In nats; beyond it the model is broken, and no second derivative says by how much."""


def load_quality(folder: Path = FOLDER) -> StudyRecord | None:
    """Return the table of the rows that come along, if there are any."""
    return quality_study(load_rows(folder))


def quality_study(rows: Sequence[QualityRow]) -> StudyRecord | None:
    """Return rows as one table, the largest model first, refused ones last.

    Args:
        rows: Measured on the same weights and texts.

    Returns:
        The table; None if no row has numbers.
    """
    ordered = sorted(rows, key=_place)
    measured = [row for row in ordered if row.found]
    if not measured:
        return None
    first = measured[0].found
    assert first is not None
    return StudyRecord(
        name=NAME,
        label="Whole model, every method",
        question="What is left of a model when all its matrices, tables included, are compressed?",
        columns=dict(COLUMNS),
        rows=tuple(_values(row) for row in ordered),
        settings={},
        model=measured[0].model,
        baseline=first.text.perplexity.baseline,
        text=_in_words(first, measured[0].plan),
        created=max(row.created for row in measured),
        seconds=sum(row.found.seconds["total"] for row in measured if row.found),
        environment=measured[0].environment,
    )


def quality_findings(record: StudyRecord) -> list[str]:
    """Return what there is to say beside the table: the estimate's worth, and what marks mean."""
    pairs = [
        (estimate, kl)
        for estimate, kl in ((_number(r, "estimate"), _number(r, "kl")) for r in record.rows)
        if 0 < estimate < math.inf and 0 < kl < math.inf
    ]
    said = []
    for some, where in (
        (pairs, "all {} compressed models"),
        ([pair for pair in pairs if pair[1] < SMALL_KL], f"the {{}} with a KL below {SMALL_KL:g}"),
    ):
        if len(some) >= FEWEST:
            ranks, logs = rank_correlation(some), log_correlation(some)
            said.append(
                "Estimated growth of the loss against measured KL, over "
                f"{where.format(len(some))}: Spearman {ranks:.3f}, Pearson of the logarithms "
                f"{logs:.3f}."
            )
    said.append(
        "Seconds leave out gathering the statistics that the estimate needs, and some methods "
        "too: it is done once for all rows."
    )
    if any(str(row["method"]).endswith(MARK) for row in record.rows):
        said.append(
            f"{MARK} These weights were quantized once ({record.model.source}). Rounding them to 4 "
            "bits again tells little: groups that match find their grid again and look too good, "
            "others pay twice."
        )
    return said


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Return Spearman's rank correlation; NaN where one side is constant."""
    return _correlation(scipy.stats.spearmanr, pairs)


def log_correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Return Pearson's correlation of the logarithms of positive numbers; NaN as above."""
    return _correlation(scipy.stats.pearsonr, [(math.log(x), math.log(y)) for x, y in pairs])


def _correlation(
    measure: Callable[[Sequence[float], Sequence[float]], Any],
    pairs: Sequence[tuple[float, float]],
) -> float:
    first, second = zip(*pairs, strict=True)
    # SciPy warns of a constant side and returns NaN, too.
    constant = len(set(first)) < 2 or len(set(second)) < 2
    return math.nan if constant else float(measure(first, second).statistic)


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else math.nan


def _place(row: QualityRow) -> tuple[bool, int, str]:
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
    known = {name: value for name, value in values.items() if math.isfinite(value)}
    return {prefix + name: known.get(name) for name in values}


def _in_words(found: Measured, plan: Plan) -> str:
    text, second = found.text.perplexity, found.second.perplexity
    words = f"{text.tokens:,} tokens of {text.corpus}, context {text.context}"
    return (
        f"{words}; second text: {second.tokens:,} tokens of {second.corpus}, baseline "
        f"{second.baseline:.2f}; calibration on at most {plan.calibration.tokens:,} tokens of "
        f"{Path(plan.calibration.corpus).name}"
    )
