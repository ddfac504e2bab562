"""Quality vs. size tab: scatter chart with the Pareto front, and the table of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gradio as gr

from compress_lib.reporting.plots import frontier
from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import POINTS, QUICK
from compress_lib.ui.common.components import table
from compress_lib.ui.engine import session_runs
from compress_lib.ui.results.selection import Shown, find_clicked, select_run
from compress_lib.ui.results.tabs.base import ResultTab, Wiring, register
from compress_lib.utils.translation import translate

WIDTHS = ["250px", "100px", "76px", "60px", "78px", "66px", "74px", "88px"]


@register
class FrontierTab(ResultTab):
    """Chart and table of the shown run among all comparable ones."""

    name: ClassVar[str] = "frontier"
    label: ClassVar[str] = texts.TAB_FRONTIER
    order: ClassVar[int] = 0

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        if shown.record is None:
            return {"provenance": texts.NO_LANDMARKS}
        legend = frontier.frontier_legend([*shown.landmarks, *shown.own])
        return {
            "chart": frontier.frontier(shown.landmarks, shown.own, shown.record.key),
            # A new run resets the axes to their defaults.
            "measure": frontier.MEASURES[0],
            "size": frontier.SIZES[0],
            "provenance": html.legend(legend) + html.provenance(shown.landmarks),
            "runs": html.run_rows(shown.all),
        }

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.FRONTIER_HELP)
        measures = {name: translate(METRICS[name].label) for name in frontier.MEASURES}
        with gr.Row():
            measure, size = (
                gr.Radio(
                    [(shown, name) for name, shown in choices.items()],
                    value=next(iter(choices)),
                    label=label,
                    elem_id=elem_id,
                    scale=len(choices),
                    min_width=180,
                )
                for choices, label, elem_id in (
                    (measures, texts.FRONTIER_MEASURE, "frontier-measure"),
                    (texts.FRONTIER_SIZES, texts.FRONTIER_SIZE, "frontier-size"),
                )
            )
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
        points = gr.HTML(js_on_load=POINTS, elem_id="frontier-points", visible="hidden")
        use = gr.Button(texts.USE_PLAN, size="sm", elem_id="use-plan")
        return {
            "use": use,
            "chart": chart,
            "provenance": provenance,
            "runs": runs,
            "measure": measure,
            "size": size,
            "points": points,
        }

    def connect(self, wiring: Wiring) -> None:
        """See `ResultTab.connect`: a row shows its run; a point also loads its plan."""
        engine, parts = wiring.engine, self.parts

        def choose(keys: Any, current: Any, event: gr.SelectData) -> RunRecord | None:
            shown = select_run(engine, keys, session_runs.lookup(engine, current))
            return find_clicked(shown.all, event.row_value)

        def find_point(keys: Any, current: Any, event: gr.SelectData) -> RunRecord | None:
            return session_runs.lookup(engine, event.value)

        def find_shown(keys: Any, current: Any, event: Any) -> RunRecord | None:
            return session_runs.lookup(engine, current)

        def draw(measure: Any, size: Any, keys: Any, current: Any) -> Any:
            shown = select_run(engine, keys, session_runs.lookup(engine, current))
            valid = measure in frontier.MEASURES and size in frontier.SIZES
            if not valid or shown.record is None:
                return gr.skip()
            return frontier.frontier(shown.landmarks, shown.own, shown.record.key, measure, size)

        wiring.select(parts["runs"].select, choose, parts["runs"])
        wiring.restore(parts["points"].select, find_point)
        wiring.restore(parts["use"].click, find_shown)
        axes = [parts["measure"], parts["size"]]
        given = [*axes, wiring.keys, wiring.current]
        gr.on([axis.input for axis in axes], draw, given, parts["chart"], **QUICK)
