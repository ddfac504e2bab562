"""The right side: what a run found, in a headline and in tabs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from compress_lib.ui.common import texts
from compress_lib.ui.common.browser import DEFINE, FIT
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.results.headline import headline
from compress_lib.ui.results.selection import Shown, first_record, select_run
from compress_lib.ui.results.tabs import ResultTab, result_tabs


@dataclass(frozen=True)
class ResultPanel:
    """The buttons, the headline, the tabs by name, and what holds them."""

    compare: Any
    link: Any
    headline: Any
    tabs: dict[str, ResultTab]
    box: Any

    def parts(self) -> list[Any]:
        """Return all components that show something."""
        return [self.headline, *(part for tab in self.tabs.values() for part in tab.parts.values())]

    def show(self, shown: Shown) -> dict[Any, Any]:
        """Return what every component shows of a run."""
        filled: dict[Any, Any] = {}
        if shown.record is not None:
            filled[self.headline] = _headline(shown)
        for tab in self.tabs.values():
            filled |= tab.fill(tab.show(shown))
        return filled

    def complete(self, shown: Shown) -> dict[Any, Any]:
        """Return what changes once both models wrote; all else stays as somebody left it."""
        if shown.record is None:
            return {}
        return {
            self.headline: _headline(shown),
            **self.update("text", self.tabs["text"].show(shown)),
        }

    def update(self, tab: str, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Return values of one tab by component."""
        return self.tabs[tab].fill(values)


def build(engine: Engine) -> ResultPanel:
    """Make the results, showing a landmark."""
    shown = select_run(engine, [], first_record())
    made: dict[str, ResultTab] = {}
    with gr.Column(elem_id="results"):
        with gr.Row(elem_id="next"):
            small: dict[str, Any] = {"size": "sm", "min_width": 100}
            compare = gr.Button(texts.COMPARE, elem_id="compare", **small)
            link = gr.Button(texts.COPY_LINK, elem_id="copy-link", **small)
        headline = gr.HTML(
            _headline(shown) if shown.record else "", elem_id="headline", js_on_load=DEFINE
        )
        with gr.Tabs() as tabs:
            for tab in result_tabs():
                with gr.Tab(tab.label, id=tab.name, elem_id=f"tab-{tab.name}"):
                    tab.parts.update(tab.build(tab.show(shown)))
                made[tab.name] = tab
    # What was drawn while its tab was hidden has a size of its own.
    tabs.select(None, None, None, js=FIT, api_visibility="private")
    return ResultPanel(compare, link, headline, made, tabs)


def _headline(shown: Shown) -> str:
    assert shown.record is not None
    yours = texts.YOURS if shown.record.answered else texts.YOURS_SO_FAR
    return headline(shown.record, yours if shown.mine else texts.LANDMARK)
