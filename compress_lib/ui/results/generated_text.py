"""Generated texts of both models as HTML, each token shaded by the other model's probability.

All text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from compress_lib.reporting.exports.shading import FAINTEST, percent, shade_token, strength
from compress_lib.results.text_record import TextRecord, WrittenToken
from compress_lib.ui.common import texts
from compress_lib.utils.formatting import format_perplexity


def both_texts(records: Sequence[TextRecord]) -> str:
    """Return the texts of both models side by side, with a divergence note."""
    shown = []
    for text in records:
        speeds = (text.baseline_tokens_per_second, text.compressed_tokens_per_second)
        written = (
            (text.baseline, text.baseline_tokens),
            (text.compressed, text.compressed_tokens),
        )
        columns = [
            (_shade(output, tokens, text), texts.SPEED.format(speed=speed), _remark(tokens))
            for (output, tokens), speed in zip(written, speeds, strict=True)
        ]
        shown.append(_pair(text.prompt, columns, _divergence(text.first_divergence)))
    scale = any(text.baseline_tokens or text.compressed_tokens for text in records)
    return "".join(shown) + (_scale() if scale else "")


def writing(prompt: str, baseline: str, compressed: str) -> str:
    """Return two partial texts while they are being generated.

    Args:
        prompt: The prompt.
        baseline: Text of the original model so far.
        compressed: Text of the compressed model so far.
    """
    return _pair(prompt, [(escape(text), "", "") for text in (baseline, compressed)], "")


def _shade(output: str, tokens: Sequence[WrittenToken], text: TextRecord) -> str:
    """Return a text with a mark at the first difference and, if scored, shaded tokens."""
    mark = f'<span class="part" role="img" aria-label="{texts.OUTPUTS_DIVERGE_HERE}"></span>'
    if tokens:
        spans = [shade_token(token, texts.TOKEN_TIP) for token in tokens]
        if text.first_divergence is not None:
            spans.insert(text.first_divergence, mark)
        return "".join(spans)
    if text.first_divergence is None or not output.startswith(text.common):
        return escape(output)
    return f"{escape(text.common)}{mark}{escape(output[len(text.common) :])}"


def _remark(tokens: Sequence[WrittenToken]) -> str:
    """Return a text's perplexity under both models and a table of its tokens; empty if unscored."""
    if not tokens:
        return ""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in texts.TOKEN_TABLE)
    rows = "".join(
        f'<tr><td>{escape(repr(token.text))}</td><td class="number">{percent(token.own)}</td>'
        f'<td class="number">{percent(token.other)}</td></tr>'
        for token in tokens
    )
    return (
        f'<p class="remark">{escape(_perplexities(tokens))}</p>'
        f'<details class="remark"><summary>{escape(texts.TOKEN_BY_TOKEN)}</summary>'
        f'<table class="fill"><thead><tr>{names}</tr></thead>'
        f"<tbody>{rows}</tbody></table></details>"
    )


def _perplexities(tokens: Sequence[WrittenToken]) -> str:
    """Return the perplexity of a text under both models as a sentence."""
    own, other = (
        math.exp(-sum(math.log(max(p, 1e-6)) for p in found) / len(tokens))
        for found in ([t.own for t in tokens], [t.other for t in tokens])
    )
    return texts.TEXT_PERPLEXITY.format(own=format_perplexity(own), other=format_perplexity(other))


def _scale() -> str:
    steps = (1.0, 0.1, 0.01, 0.001, FAINTEST)
    items = "".join(
        f'<li><span class="token" style="--q:{strength(step):.2f}">{percent(step)}</span></li>'
        for step in steps
    )
    return f'<ul class="legend scale"><li>{escape(texts.TOKEN_SCALE)}</li>{items}</ul>'


def _divergence(apart: int | None) -> str:
    if apart is None:
        return texts.OUTPUTS_IDENTICAL
    return (
        texts.OUTPUTS_DIVERGE_AFTER.format(count=apart) if apart else texts.OUTPUTS_DIVERGE_AT_ONCE
    )


def _pair(prompt: str, written: Sequence[tuple[str, str, str]], note: str) -> str:
    """Return two columns with a note below.

    Args:
        prompt: The prompt.
        written: Text as HTML, speed and remark as HTML of either model.
        note: Text below the columns.
    """
    start = f'<span class="prompt">{escape(prompt)}</span>'
    columns = "".join(
        f'<div class="writer"><h4>{escape(name)} <span>{escape(speed)}</span></h4>'
        f"<p>{start}{text}</p>"
        f"{remark}</div>"
        for name, (text, speed, remark) in zip(
            (texts.BASELINE, texts.COMPRESSED), written, strict=True
        )
    )
    end = f'<p class="quiet">{escape(note)}</p>' if note else ""
    return f'<div class="texts">{columns}</div>{end}'
