"""Results panel: the right column of the page, with a headline and tabs."""

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
    """Components of the results: buttons, headline, tabs by name and their container."""

    compare: Any
    link: Any
    headline: Any
    tabs: dict[str, ResultTab]
    box: Any

    def parts(self) -> list[Any]:
        """Return all components that display results."""
        return [self.headline, *(part for tab in self.tabs.values() for part in tab.parts.values())]

    def show(self, shown: Shown) -> dict[Any, Any]:
        """Return the values of all components for a run."""
        filled: dict[Any, Any] = {}
        if shown.record is not None:
            filled[self.headline] = _headline(shown)
        for tab in self.tabs.values():
            filled |= tab.fill(tab.show(shown))
        return filled

    def complete(self, shown: Shown) -> dict[Any, Any]:
        """Return the changes after text generation; all other components keep the user's state."""
        if shown.record is None:
            return {}
        return {
            self.headline: _headline(shown),
            **self.update("text", self.tabs["text"].show(shown)),
        }

    def update(self, tab: str, values: Mapping[str, Any]) -> dict[Any, Any]:
        """Return values of one tab by component.

        Args:
            tab: Name of the tab.
            values: Values by the names of the tab's parts.
        """
        return self.tabs[tab].fill(values)


def build(engine: Engine) -> ResultPanel:
    """Build the results, showing a landmark."""
    shown = select_run(engine, [], first_record())
    tabs_by_name: dict[str, ResultTab] = {}
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
                tabs_by_name[tab.name] = tab
    # Charts that were drawn in a hidden tab have the wrong size.
    tabs.select(None, None, None, js=FIT, api_visibility="private")
    return ResultPanel(compare, link, headline, tabs_by_name, tabs)


def _headline(shown: Shown) -> str:
    assert shown.record is not None
    yours = texts.YOURS if shown.record.answered else texts.YOURS_SO_FAR
    return headline(shown.record, yours if shown.mine else texts.LANDMARK)
