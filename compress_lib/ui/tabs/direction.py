"""How far rows turned: histograms of several runs over each other, and the tokens at the ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr

from compress_lib import plots
from compress_lib.describe import describe
from compress_lib.ui import handlers, render, texts
from compress_lib.ui.scripts import QUICK
from compress_lib.ui.shown import Shown
from compress_lib.ui.tables import table
from compress_lib.ui.tabs.base import ResultTab, Wiring, register

OVERLAID = 3
"""How many other runs a histogram shows unasked."""

MOST = 4
"""How many it shows beside the shown one when asked."""


@register
class DirectionTab(ResultTab):
    """The direction error of every row of the token table."""

    name: ClassVar[str] = "direction"
    label: ClassVar[str] = texts.TAB_DIRECTION
    order: ClassVar[int] = 20

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        current = shown.record
        if current is None:
            return {}
        direction = current.direction
        others = [r for r in shown.all if r.direction and r.key != current.key]
        # Runs of one's own are laid over each other at once; landmarks on request.
        beside = [r for r in others if r in shown.own][:OVERLAID] if direction else []
        menu = [(describe(r), r.key) for r in others]
        return {
            "chart": plots.direction_histogram([current, *beside], texts.NO_DIRECTION),
            "overlay": gr.update(choices=menu, value=[r.key for r in beside]),
            "worst": render.token_rows(direction.worst) if direction else [],
            "best": render.token_rows(direction.best) if direction else [],
        }

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.DIRECTION_HELP)
        chart = gr.Plot(values.get("chart"), show_label=False, elem_id="direction")
        overlay = gr.Dropdown(
            values.get("overlay", {}).get("choices", []),
            multiselect=True,
            max_choices=MOST,
            label=texts.COMPARE_DIRECTIONS,
            elem_id="overlay",
        )
        with gr.Row():
            with gr.Column(min_width=260):
                worst = table(texts.TOKEN_HEADERS, values.get("worst"), texts.WORST, labelled=True)
            with gr.Column(min_width=260):
                best = table(texts.TOKEN_HEADERS, values.get("best"), texts.BEST, labelled=True)
        return {"chart": chart, "overlay": overlay, "worst": worst, "best": best}

    def connect(self, wiring: Wiring) -> None:
        """See `ResultTab.connect`: the menu lays other runs over the shown one."""

        def overlay(others: Any, current: Any) -> Any:
            wanted = [current, *(others if isinstance(others, list) else [])][: MOST + 1]
            found = [handlers.lookup(wiring.engine, key) for key in wanted]
            return plots.direction_histogram(
                [record for record in found if record is not None], texts.NO_DIRECTION
            )

        self.parts["overlay"].change(
            overlay, [self.parts["overlay"], wiring.current], self.parts["chart"], **QUICK
        )
