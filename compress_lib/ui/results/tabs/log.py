"""What a job did, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr

from compress_lib.ui.common import texts
from compress_lib.ui.results.selection import Shown
from compress_lib.ui.results.tabs.base import ResultTab, register


@register
class LogTab(ResultTab):
    """A line for every matrix and every block of text, while a job runs."""

    name: ClassVar[str] = "log"
    label: ClassVar[str] = texts.TAB_LOG
    order: ClassVar[int] = 100

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`: the log of the last job stays."""
        return {}

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        lines = gr.Textbox(
            placeholder=texts.LOG_EMPTY,
            lines=16,
            max_lines=16,
            show_label=False,
            interactive=False,
            autoscroll=True,
            elem_id="log",
        )
        return {"lines": lines}
