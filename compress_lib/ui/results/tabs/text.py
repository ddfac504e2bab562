"""Text tab: generated texts or mask predictions of both models."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar

import gradio as gr

from compress_lib.ui.common import texts
from compress_lib.ui.results.filled_masks import both_fills
from compress_lib.ui.results.generated_text import both_texts
from compress_lib.ui.results.selection import Shown
from compress_lib.ui.results.tabs.base import ResultTab, register


@register
class TextTab(ResultTab):
    """Texts side by side, streamed while a job runs."""

    name: ClassVar[str] = "text"
    label: ClassVar[str] = texts.TAB_TEXT
    order: ClassVar[int] = 10

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        if shown.record is None:
            return {}
        written = both_texts(shown.record.text) + both_fills(shown.record.fills)
        return {"texts": written or f'<p class="quiet">{escape(texts.NO_TEXT)}</p>'}

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.TEXT_HELP)
        return {"texts": gr.HTML(values.get("texts") or "", elem_id="texts")}
