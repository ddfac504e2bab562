"""Headline of a run: a one-sentence verdict and cards with the main metrics."""

from __future__ import annotations

from html import escape

from compress_lib.data.text_spec import PROTOCOLS
from compress_lib.models.targets import TABLES
from compress_lib.plan.forecast import RUINED, describe_prediction
from compress_lib.results.confidence import Ends, perplexity_interval
from compress_lib.results.describe import describe
from compress_lib.results.metrics import METRICS
from compress_lib.results.predictions import predicted_loss
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import texts
from compress_lib.ui.common.html import term_id
from compress_lib.utils.formatting import format_perplexity, format_share
from compress_lib.utils.translation import translate

SAME = 1.02
"""Perplexity ratio below which the quality counts as unchanged."""

LITTLE_LEFT = 20
"""Perplexity ratio from which a model counts as broken."""

ROOMY = 6
"""Maximum number of characters of a card's value in large type."""

SHORT_UNITS = ("%", "×", "MB")
"""Units next to the value of a card; longer ones are in the line below it."""

CARDS = tuple(name for name, metric in METRICS.items() if metric.on_card)
"""Names of the metrics on cards."""

ABSENT = {"speed": texts.NOT_TIMED}
"""Reason for a missing value by metric; the default is that the embedding is uncompressed."""


def headline(record: RunRecord, kind: str) -> str:
    """Return the headline of a run as HTML.

    Args:
        record: The run.
        kind: Text of the badge, such as `texts.YOURS`.
    """
    title = f"<strong>{escape(describe(record))}</strong>"
    cards = "".join(_card(record, name) for name in CARDS)
    badge = f'<span class="badge">{escape(kind)}</span>'
    ppl = record.perplexity
    where = texts.MEASURED_ON.format(
        model=record.model.id, corpus=ppl.corpus, tokens=f"{ppl.tokens:,}"
    )
    return (
        f'<div class="headline"><p>{title} {badge} <span class="quiet">{escape(where)}</span></p>'
        f'<p class="plainly">{escape(_verdict(record))}</p>'
        f'<div class="cards">{cards}</div></div>'
    )


def _verdict(record: RunRecord) -> str:
    """Return the verdict on size and quality as a sentence."""
    memory, ratio = record.memory, record.perplexity.ratio
    share = format_share(memory.share)
    case = "same" if ratio < SAME else "worse" if ratio < LITTLE_LEFT else "ruined"
    quality = texts.VERDICT[case].format(ratio=_times(ratio))
    bigger = memory.compressed_bytes > memory.baseline_bytes
    verdict = (texts.GREW if bigger else texts.SHRANK).format(share=share) + quality
    return f"{verdict} {texts.ONE_BLOCK}" if _single(record) else verdict


def _single(record: RunRecord) -> bool:
    """Return whether a run was evaluated on a single block, which gives no standard error."""
    return record.perplexity.compressed_stderr is None


def _card(record: RunRecord, name: str) -> str:
    metric, value = METRICS[name], record.metrics()[name]
    hint = texts.LOWER if metric.lower_is_better else texts.HIGHER
    if value is None:
        number, unit, around, small = "—", "", "", ABSENT.get(name, texts.UNTOUCHED)
    else:
        number = metric.number(value)
        unit = metric.suffix if metric.unit in SHORT_UNITS else ""
        around = UNCERTAINTY.get(name, _nothing)(record)
        small = REFERENCE.get(name, _nothing)(record)
    label = translate(metric.label)
    tip = escape(f"{translate(metric.meaning)} {hint}", quote=True)
    extra = f" <small>{escape(around)}</small>" if around else ""
    return (
        f'<div class="card" data-tip="{tip}" role="group" '
        f'aria-label="{escape(f"{label}: {number}{unit} {around}, {small}. ", quote=True)}{tip}">'
        f'<a class="term" href="#{term_id(label)}">{escape(label)}&nbsp;'
        f'<span class="arrow">{metric.arrow}</span></a>'
        f'<span class="value{" long" if len(number) > ROOMY else ""}"><span>{escape(number)}'
        f'<span class="unit">{escape(unit)}</span></span>{extra}</span>'
        f'<span class="quiet">{escape(small)}</span></div>'
    )


def _nothing(_record: RunRecord) -> str:
    return ""


def _perplexity_interval(record: RunRecord) -> str:
    ends = perplexity_interval(record.perplexity)
    return _between(ends) if ends else texts.NO_INTERVAL if _single(record) else ""


def _baseline_perplexity(record: RunRecord) -> str:
    ppl = record.perplexity
    return texts.TIMES_BASELINE.format(
        ratio=_times(ppl.ratio), base=format_perplexity(ppl.baseline)
    )


def _baseline_size(record: RunRecord) -> str:
    memory = record.memory
    return texts.SHARE_OF.format(
        share=format_share(memory.share), whole=f"{memory.baseline_bytes / 1e6:.0f}"
    )


def _scored_tokens(record: RunRecord) -> str:
    return texts.PREDICTED.get(record.perplexity.protocol, texts.HIDDEN)


def _predicted_loss(record: RunRecord) -> str:
    """Return the unit of the KL divergence and the loss increase estimated before the run."""
    loss = predicted_loss(record)
    if loss is None:
        return texts.KL_UNIT
    template = describe_prediction(loss, texts.KL_ESTIMATED, texts.KL_AT_LEAST, texts.KL_RUINED)
    return template.format(loss=f"{loss:.2g}", least=f"{RUINED:g}")


def _times(ratio: float) -> str:
    # Near 1 a third decimal is needed to distinguish quantizations.
    return f"{ratio:.3f}" if ratio < 1.1 else f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}"


def _between(ends: Ends) -> str:
    low, high = (format_perplexity(end) for end in ends)
    return texts.BETWEEN.format(low=low, high=high)


def _speeds(record: RunRecord) -> str:
    """Return the prefill speed, and the decode speed relative to the original model."""
    speed = record.speed
    assert speed is not None
    reads = texts.READS.format(speed=speed.compressed_prefill)
    if not speed.baseline_decode or not speed.compressed_decode:
        # A placeholder keeps the layout stable until the decode speed is known.
        complete = record.answered or PROTOCOLS.get(record.perplexity.protocol) != "causal"
        return reads if complete else f"{reads}; {texts.WRITES_YET}"
    writes = texts.WRITES.format(ratio=speed.compressed_decode / speed.baseline_decode)
    return f"{reads}; {writes}"


def _direction_percentile(record: RunRecord) -> str:
    table = next(t for t in record.targets if t.family in TABLES)
    percentile = METRICS["direction_error"].format(table.direction_error.p95)
    return texts.MOST_BELOW.format(most=percentile)


UNCERTAINTY = {"perplexity": _perplexity_interval}
"""Functions that format a metric's confidence interval, by metric."""

REFERENCE = {
    "perplexity": _baseline_perplexity,
    "megabytes": _baseline_size,
    "speed": _speeds,
    "kl": _predicted_loss,
    "top1": _scored_tokens,
    "direction_error": _direction_percentile,
}
"""Functions that format the reference line below a metric's value, by metric."""
