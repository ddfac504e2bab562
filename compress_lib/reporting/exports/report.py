"""HTML report of a run: one file that works offline."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from compress_lib.plan import forecast
from compress_lib.reporting.exports.code import python_code
from compress_lib.reporting.exports.shading import shade_token
from compress_lib.reporting.plots import frontier, matrices
from compress_lib.reporting.plots.direction import direction_histogram
from compress_lib.results.confidence import format_interval
from compress_lib.results.describe import describe, describe_decoding
from compress_lib.results.metrics import METRICS
from compress_lib.results.predictions import predicted_loss
from compress_lib.results.records import RunRecord
from compress_lib.results.text_record import WrittenToken
from compress_lib.utils.formatting import (
    format_bytes,
    format_number,
    format_perplexity,
    format_share,
)

SHADES = "Stronger shading marks tokens that are less likely under the other model."
TIP = "p = {other} under the other model, {own} under this one"

STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;"
    "max-width:1000px;padding:0 1rem}h2{margin-top:2.2rem}td,th{padding:.25rem .7rem;"
    "text-align:left;border-bottom:1px solid #8884}table{border-collapse:collapse}"
    "td.number{text-align:right;font-variant-numeric:tabular-nums}pre{padding:1rem;overflow:auto;"
    "background:#8882;border-radius:8px}.texts{display:grid;grid-template-columns:1fr 1fr;gap:1rem}"
    ".legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;padding:0}"
    ".texts p{white-space:pre-wrap;border:1px solid #8884;border-radius:8px;padding:1rem;margin:0}"
    ".token{border-radius:2px;background:color-mix(in srgb,#b42318 calc(var(--q)*45%),transparent)}"
    "@media(max-width:700px){.texts{grid-template-columns:1fr}}"
)


def report(record: RunRecord, others: Sequence[RunRecord] = (), plotly: bool | str = True) -> str:
    """Return a run as one HTML file: metrics, charts, texts, and the code to reproduce it.

    Args:
        record: The run.
        others: Runs on the same text to compare with in the chart of quality against size.
        plotly: Whether to embed the Plotly library, or the URL of its file.
    """
    title = escape(describe(record))
    charts = [("Quality vs. size", frontier.frontier(others, [record], record.key))]
    if record.direction:
        charts.append(("Embedding direction error", direction_histogram([record])))
    charts.append(("Memory", matrices.memory_bars(record)))
    chart_html = "".join(
        f"<h2>{escape(name)}</h2>"
        # Only the first chart needs to embed the library.
        + figure.to_html(full_html=False, include_plotlyjs=plotly if index == 0 else False)
        for index, (name, figure) in enumerate(charts)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1><p>{escape(_about(record))}</p>"
        f"{_metrics(record)}{chart_html}{_texts(record)}{_matrices(record)}<h2>Reproduce</h2>"
        f"<pre>{escape(python_code(record.plan))}</pre></body></html>\n"
    )


def _about(record: RunRecord) -> str:
    ppl = record.perplexity
    decoding = describe_decoding(record)
    return (
        f"{record.model.id} ({record.model.source}), evaluated on {ppl.tokens:,} tokens of "
        f"{ppl.corpus}, context {ppl.context}, with compress_lib "
        f"{record.environment.get('compress_lib', '')} on {record.created[:10]}. {decoding}"
    ).strip()


def _metrics(record: RunRecord) -> str:
    values = record.metrics()
    rows = "".join(
        f"<tr><td>{escape(metric.label)}</td>"
        f'<td class="number">{format_number(value)}{_interval(record, name)}</td>'
        f"<td>{'lower' if metric.lower_is_better else 'higher'} is better</td>"
        f"<td>{escape(metric.meaning)}</td></tr>"
        for name, metric in METRICS.items()
        if (value := values[name]) is not None
    )
    ppl = record.perplexity
    original = (
        f"Original: perplexity {format_perplexity(ppl.baseline)}, "
        f"{format_bytes(record.memory.baseline_bytes)}."
    )
    intervals = "In parentheses: 95% confidence intervals over text blocks."
    notes = f"{original} {_predicted_loss(record)} {intervals}"
    return f"<h2>Metrics</h2><p>{escape(notes)}</p><table>{rows}</table>"


def _predicted_loss(record: RunRecord) -> str:
    """Return a sentence with the predicted loss increase, or nothing if there is none."""
    loss = predicted_loss(record)
    if loss is None:
        return ""
    increase = f"a loss increase of about {loss:.2g} nats/token"
    prediction = forecast.describe_prediction(
        loss, increase, f"{increase} or far more", "a model that is no longer usable"
    )
    return f"Predicted before the run: {prediction}."


def _interval(record: RunRecord, name: str) -> str:
    """Return the 95% confidence interval of a metric, or nothing if it has none."""
    which = {"perplexity": "compressed", "perplexity_ratio": "ratio"}.get(name)
    return format_interval(record.perplexity, which) if which else ""


def _texts(record: RunRecord) -> str:
    if not record.text and not record.fills:
        return ""
    pairs = "".join(
        f"<p><b>Original</b>\n{escape(text.prompt)}{_shade(text.baseline, text.baseline_tokens)}"
        f"</p><p><b>Compressed</b>\n{escape(text.prompt)}"
        f"{_shade(text.compressed, text.compressed_tokens)}</p>"
        for text in record.text
    )
    fills = "".join(
        f"<p><b>{escape(name)}</b>\n{escape(fill.prompt)}\n"
        + "\n".join(f"{escape(p.token)}  {format_share(p.probability)}" for p in predictions)
        + "</p>"
        for fill in record.fills
        for name, predictions in (("Original", fill.baseline), ("Compressed", fill.compressed))
    )
    shaded = any(text.baseline_tokens or text.compressed_tokens for text in record.text)
    legend = f"<p>{SHADES}</p>" if shaded else ""
    return f'<h2>Text</h2>{legend}<div class="texts">{pairs}{fills}</div>'


def _shade(text: str, tokens: Sequence[WrittenToken]) -> str:
    """Return a text with shaded tokens; without shading if there are no token probabilities."""
    return "".join(shade_token(token, TIP) for token in tokens) or escape(text)


def _matrices(record: RunRecord) -> str:
    rows = "".join(
        f"<tr><td>{escape(' = '.join(target.names))}</td><td>{escape(target.method)}</td>"
        f'<td class="number">{"" if target.rank is None else target.rank}</td>'
        f'<td class="number">{target.rows} × {target.cols}</td>'
        f'<td class="number">{100 * target.bytes_after / target.bytes_before:.1f}</td>'
        f'<td class="number">{target.relative_error:.4f}</td>'
        f'<td class="number">{target.direction_error.mean:.4f}</td></tr>'
        for target in record.targets
    )
    names = (
        "Matrix",
        "Method",
        "Rank",
        "Shape",
        "Size kept (%)",
        "Relative error",
        "Direction error",
    )
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<h2>Matrices</h2><table><tr>{head}</tr>{rows}</table>"
