"""Memory tab: bytes of both models by component, and the KV cache."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar

import gradio as gr

from compress_lib.models.targets import FAMILIES
from compress_lib.reporting.plots import matrices
from compress_lib.results.predictions import enlarged_components, predicted_bytes
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import texts
from compress_lib.ui.common.browser import QUICK
from compress_lib.ui.engine import session_runs
from compress_lib.ui.results.selection import Shown
from compress_lib.ui.results.tabs.base import ResultTab, Wiring, register
from compress_lib.utils.formatting import format_bytes, format_share

USUAL_CONTEXT = 2048
LONGEST_CONTEXT = 131_072


@register
class MemoryTab(ResultTab):
    """Chart of bytes by component, and the KV cache at a context length."""

    name: ClassVar[str] = "memory"
    label: ClassVar[str] = texts.TAB_MEMORY
    order: ClassVar[int] = 30

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        if shown.record is None:
            return {}
        return {
            "grown": gr.update(
                value=enlarged_line(shown.record), visible=bool(enlarged_components(shown.record))
            ),
            "chart": matrices.memory_bars(
                shown.record, predicted_bytes(shown.record, shown.targets)
            ),
            "cache": cache_line(shown.record, USUAL_CONTEXT),
            "context": USUAL_CONTEXT,
        }

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.MEMORY_HELP)
        bigger = values.get("grown", {})
        warned = gr.HTML(bigger.get("value"), visible=bool(bigger.get("visible")), elem_id="grown")
        chart = gr.Plot(values.get("chart"), show_label=False, elem_id="memory")
        context = gr.Slider(
            256,
            LONGEST_CONTEXT,
            value=USUAL_CONTEXT,
            step=256,
            label=texts.CONTEXT_LENGTH,
            elem_id="cache-context",
        )
        cache = gr.Markdown(values.get("cache") or "", elem_id="cache")
        return {"grown": warned, "chart": chart, "context": context, "cache": cache}

    def connect(self, wiring: Wiring) -> None:
        """See `ResultTab.connect`: the slider updates the size of the KV cache."""

        def describe_cache(tokens: Any, current: Any) -> str:
            record = session_runs.lookup(wiring.engine, current)
            usable = isinstance(tokens, int | float) and 0 < tokens <= LONGEST_CONTEXT
            return cache_line(record, int(tokens)) if record is not None and usable else ""

        self.parts["context"].change(
            describe_cache, [self.parts["context"], wiring.current], self.parts["cache"], **QUICK
        )


def enlarged_line(record: RunRecord) -> str:
    """Return a warning about components that a run enlarged as HTML; empty if there are none."""
    parts = [
        texts.ENLARGED_PART.format(
            name=FAMILIES.get(part.component, part.component),
            before=format_bytes(part.baseline_bytes),
            after=format_bytes(part.compressed_bytes),
        )
        for part in enlarged_components(record)
    ]
    if not parts:
        return ""
    return f'<p class="decoding">{escape(texts.ENLARGED.format(parts=", ".join(parts)))}</p>'


def cache_line(record: RunRecord, tokens: int) -> str:
    """Return a sentence on the size of the KV cache at a context length.

    Args:
        record: The run.
        tokens: The context length.
    """
    memory = record.memory
    if not memory.cache_bytes:
        return texts.NO_CACHE
    cache = tokens * memory.cache_bytes
    before, after = memory.baseline_bytes + cache, memory.compressed_bytes + cache
    return texts.CACHE.format(
        each=format_bytes(memory.cache_bytes),
        cache=format_bytes(cache),
        tokens=f"{tokens:,}",
        before=format_bytes(before),
        after=format_bytes(after),
        share=format_share(after / before, 0),
    )
