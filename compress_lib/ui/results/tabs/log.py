"""Log tab: messages of the last job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr

from compress_lib.ui.common import texts
from compress_lib.ui.results.selection import Shown
from compress_lib.ui.results.tabs.base import ResultTab, register


@register
class LogTab(ResultTab):
    """Log with a line per matrix and text block, streamed while a job runs."""

    name: ClassVar[str] = "log"
    label: ClassVar[str] = texts.TAB_LOG
    order: ClassVar[int] = 100

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`: the log is independent of the shown run."""
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
