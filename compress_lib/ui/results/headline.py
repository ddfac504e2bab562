"""The headline of a run: its most important numbers as cards, and what each is held against."""

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
"""A ratio of perplexities below which a text is predicted about as well."""

LITTLE_LEFT = 20
"""A ratio beyond which a model is of no use."""

ROOMY = 6
"""Letters that a card has room for in its large type."""

CARDS = tuple(name for name, metric in METRICS.items() if metric.on_card)

ABSENT = {"speed": texts.NOT_TIMED}
"""Why a metric has no value, where it is not that the embedding was left uncompressed."""


def headline(record: RunRecord, kind: str) -> str:
    """Return the cards with a run's most important numbers."""
    title = f"{texts.RESULTS_OF} <strong>{escape(describe(record))}</strong>"
    cards = "".join(_card(record, name) for name in CARDS)
    badge = f'<span class="badge">{escape(kind)}</span>'
    ppl = record.perplexity
    where = texts.MEASURED_ON.format(
        model=record.model.id, corpus=ppl.corpus, tokens=f"{ppl.tokens:,}"
    )
    return (
        f'<div class="headline"><p>{title} {badge} <span class="quiet">{escape(where)}</span></p>'
        f'<p class="plainly">{escape(_plainly(record))}</p>'
        f'<div class="cards">{cards}</div></div>'
    )


def _plainly(record: RunRecord) -> str:
    """Say in a sentence what the numbers come to."""
    memory, ratio = record.memory, record.perplexity.ratio
    share = format_share(memory.share)
    case = "same" if ratio < SAME else "worse" if ratio < LITTLE_LEFT else "ruined"
    words = texts.VERDICT[case].format(ratio=_times(ratio))
    bigger = memory.compressed_bytes > memory.baseline_bytes
    said = (texts.GREW if bigger else texts.SHRANK).format(share=share) + words
    return f"{said} {texts.ONE_BLOCK}" if _single(record) else said


def _single(record: RunRecord) -> bool:
    """Tell whether a run was measured on a single block."""
    return record.perplexity.compressed_stderr is None


def _card(record: RunRecord, name: str) -> str:
    metric, value = METRICS[name], record.metrics()[name]
    hint = texts.LOWER if metric.lower_is_better else texts.HIGHER
    if value is None:
        number, unit, around, small = "—", "", "", ABSENT.get(name, texts.UNTOUCHED)
    else:
        number, unit = metric.number(value), metric.suffix
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
        f'<span class="value{" long" if len(number) > ROOMY else ""}">{escape(number)}'
        f'<span class="unit">{escape(unit)}</span>{extra}</span>'
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
    """Return what the growth of the loss was expected to be, beside what was found."""
    loss = predicted_loss(record)
    if loss is None:
        return texts.KL_UNIT
    words = describe_prediction(loss, texts.KL_ESTIMATED, texts.KL_AT_LEAST, texts.KL_RUINED)
    return words.format(loss=f"{loss:.2g}", least=f"{RUINED:g}")


def _times(ratio: float) -> str:
    # Near the baseline a third decimal tells one quantization from another.
    return f"{ratio:.3f}" if ratio < 1.1 else f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}"


def _between(ends: Ends) -> str:
    low, high = (format_perplexity(end) for end in ends)
    return texts.BETWEEN.format(low=low, high=high)


def _speeds(record: RunRecord) -> str:
    """Return how fast the model reads, and its speed of writing relative to the baseline."""
    speed = record.speed
    assert speed is not None
    reads = texts.READS.format(speed=speed.compressed_prefill)
    if not speed.baseline_decode or not speed.compressed_decode:
        # As many lines as it will have: nothing jumps when both have written.
        written = record.answered or PROTOCOLS.get(record.perplexity.protocol) != "causal"
        return reads if written else f"{reads}; {texts.WRITES_YET}"
    writes = texts.WRITES.format(ratio=speed.compressed_decode / speed.baseline_decode)
    return f"{reads}; {writes}"


def _direction_percentile(record: RunRecord) -> str:
    table = next(t for t in record.targets if t.family in TABLES)
    percentile = METRICS["direction_error"].format(table.direction_error.p95)
    return texts.MOST_BELOW.format(most=percentile)


UNCERTAINTY = {"perplexity": _perplexity_interval}
"""The confidence interval of a metric, by its name."""

REFERENCE = {
    "perplexity": _baseline_perplexity,
    "megabytes": _baseline_size,
    "speed": _speeds,
    "kl": _predicted_loss,
    "top1": _scored_tokens,
    "direction_error": _direction_percentile,
}
"""The line below a metric's value, by its name: what to compare it with."""
