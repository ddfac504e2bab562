"""Mask predictions of both models as HTML. All text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from compress_lib.results.text_record import FillRecord, Prediction
from compress_lib.ui.common import texts
from compress_lib.utils.formatting import format_share


def both_fills(records: Sequence[FillRecord]) -> str:
    """Return the most likely tokens of both models for every mask, side by side."""
    return "".join(_pair(record) for record in records)


def _pair(record: FillRecord) -> str:
    both = ((texts.BASELINE, record.baseline), (texts.COMPRESSED, record.compressed))
    columns = "".join(
        f'<div class="writer"><h4>{escape(name)}</h4>'
        f'<p class="prompt">{escape(record.prompt)}</p>{_tables(found)}</div>'
        for name, found in both
    )
    return f'<div class="texts">{columns}</div>'


def _tables(predictions: Sequence[Prediction]) -> str:
    groups = [list(found) for _, found in groupby(predictions, key=lambda p: p.mask)]
    return "".join(
        _table(group, texts.MASK_NUMBER.format(number=number) if len(groups) > 1 else "")
        for number, group in enumerate(groups, start=1)
    )


def _table(predictions: Sequence[Prediction], title: str) -> str:
    rows = "".join(
        f'<tr><td>{escape(prediction.token)}</td><td class="number">'
        f"{format_share(prediction.probability)}</td></tr>"
        for prediction in predictions
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in texts.FILL_HEADERS)
    head = f"{caption}<thead><tr>{heads}</tr></thead>"
    return f'<table class="fill">{head}<tbody>{rows}</tbody></table>'
