"""What the bytes of both models are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr

from compress_lib import plots_matrices
from compress_lib.ui import texts
from compress_lib.ui.shown import Shown
from compress_lib.ui.tabs.base import ResultTab, register


@register
class MemoryTab(ResultTab):
    """Bytes by component, before and after."""

    name: ClassVar[str] = "memory"
    label: ClassVar[str] = texts.TAB_MEMORY
    order: ClassVar[int] = 30

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        return {"chart": plots_matrices.memory_bars(shown.record)} if shown.record else {}

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.MEMORY_HELP)
        return {"chart": gr.Plot(values.get("chart"), show_label=False, elem_id="memory")}
