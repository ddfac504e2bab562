"""Cost against size: the shown run among all others, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr

from compress_lib import plots
from compress_lib.results import RunRecord
from compress_lib.ui import handlers, render, texts
from compress_lib.ui.shown import Shown, clicked, shown_run
from compress_lib.ui.tables import table
from compress_lib.ui.tabs.base import ResultTab, Wiring, register

WIDTHS = ["250px", "100px", "76px", "60px", "78px", "66px", "74px", "88px"]


@register
class FrontierTab(ResultTab):
    """The chart that everything else answers to."""

    name: ClassVar[str] = "frontier"
    label: ClassVar[str] = texts.TAB_FRONTIER
    order: ClassVar[int] = 0

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        if shown.record is None:
            return {"provenance": texts.NO_LANDMARKS}
        legend = plots.frontier_legend([*shown.landmarks, *shown.own])
        return {
            "chart": plots.frontier(shown.landmarks, shown.own, shown.record.key),
            "provenance": render.legend(legend) + render.provenance(shown.landmarks),
            "runs": render.run_rows(shown.all),
        }

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.FRONTIER_HELP)
        chart = gr.Plot(values.get("chart"), show_label=False, elem_id="frontier")
        provenance = gr.HTML(values.get("provenance") or "", elem_id="provenance")
        runs = table(
            texts.RUN_HEADERS,
            values.get("runs"),
            "Runs",
            elem_id="runs",
            widths=WIDTHS,
            numbers=len(texts.RUN_HEADERS) - 1,
        )
        return {"chart": chart, "provenance": provenance, "runs": runs}

    def connect(self, wiring: Wiring) -> None:
        """See `ResultTab.connect`: a line shows its run."""
        engine = wiring.engine

        def chosen(keys: Any, current: Any, event: gr.SelectData) -> RunRecord | None:
            shown = shown_run(engine, keys, handlers.lookup(engine, current))
            return clicked(shown.all, event.row_value)

        wiring.select(self.parts["runs"], chosen)
