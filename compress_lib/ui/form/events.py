"""Event handlers of the plan form: preview, presets, link, reset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr

from compress_lib.data.text_spec import OWN_TEXT
from compress_lib.errors import CompressionError
from compress_lib.methods import METHODS, is_sized
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import to_query
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import CLEAR_MAP, COPY_LINK, PRIVATE, QUICK, WARNING
from compress_lib.ui.common.messages import refusal, warn
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding, form, preview
from compress_lib.ui.form.form import PlanPanel
from compress_lib.ui.form.map_events import MapEvents
from compress_lib.ui.results.comparison import is_of, plans_of, runs_beside


class FormEvents:
    """Event handlers of the plan form.

    Args:
        panel: The components of the form.
        engine: Provides the shapes of models' matrices, and runs.
        link: The button that copies the link, and the component with its query string.
        chart: The layer map, which shows the same plan.
        beside: Components with the selected runs, the session's runs and the shown run; see
            `comparison.runs_beside`.
    """

    def __init__(
        self,
        panel: PlanPanel,
        engine: Engine,
        link: tuple[Any, Any],
        chart: MapEvents,
        beside: Sequence[Any],
    ) -> None:
        self.panel = panel
        self.chart = chart
        self.engine = engine
        self.link_button, self.query = link
        self.beside = beside

    def connect(self) -> None:
        """Connect the events."""
        panel = self.panel
        # Gradio repeats all listeners of an event when one of them answers late. Two listeners with
        # "always_last" would therefore trigger each other forever, so there is only one.
        gr.on(
            [component.change for component in panel.fields.values()],
            self.preview,
            {*self.chart.inputs, *panel.inputs},
            [panel.preview, *self.chart.drawn],
            trigger_mode="always_last",
            **QUICK,
        )
        fields = panel.fields
        fields["method"].change(
            choose_method,
            fields["method"],
            [fields["method"], fields["keep"], *panel.groups.values()],
            trigger_mode="multiple",
            **QUICK,
        )
        fields["corpus"].change(
            lambda corpus: gr.Textbox(visible=corpus == OWN_TEXT),
            fields["corpus"],
            fields["own_text"],
            trigger_mode="multiple",
            **QUICK,
        )
        for button, families in panel.presets:
            button.click(
                partial(choose_families, list(families)),
                fields["method"],
                [fields["families"], fields["method"]],
                **WARNING,
            )
        for preset in panel.settings:
            values = json.dumps(preset.values)
            preset.button.click(None, None, preset.fields, js=f"() => {values}", **PRIVATE)
        outputs = [self.query, panel.status]
        self.link_button.click(self.link, {*self.beside, *panel.inputs}, outputs, **QUICK).success(
            None, self.query, None, js=COPY_LINK, **PRIVATE
        )
        panel.start_over.click(self.start_over, None, {*panel.inputs, panel.status}, **QUICK)
        panel.start_over.click(None, None, None, js=CLEAR_MAP, **PRIVATE)

    def preview(self, given: Mapping[Any, Any]) -> list[Any]:
        """Preview the plan in the form and draw it on the layer map."""
        try:
            plan = self.panel.read(given)
        except CompressionError as error:
            return [preview.complaint(error), *self.chart.refuse(error)]
        summary = preview.describe_plan(self.engine, plan)
        return [summary, *self.chart.draw_plan(plan, given)]

    def link(self, given: Mapping[Any, Any]) -> list[str]:
        """Return the plan and the compared runs as a query string, and a status message."""
        tray, keys, current = (given[component] for component in self.beside)
        try:
            plan = self.panel.read(given)
            beside = plans_of(runs_beside(self.engine, tray, keys, current))
            shown = is_of(session_runs.lookup(self.engine, current), plan)
        except CompressionError as error:
            raise refusal(error) from error
        message = texts.LINK_COPIED_BESIDE if beside else texts.LINK_COPIED
        if plan.evaluation.corpus == OWN_TEXT:
            message = texts.LINK_WITHOUT_TEXT
        elif not shown:
            message = f"{message} {texts.LINK_OF_FORM}"
        return [to_query(plan, beside), html.status(message)]

    def start_over(self) -> dict[Any, Any]:
        """Reset the form to the default plan."""
        return {**self.panel.fill(Plan()), self.panel.status: html.status(texts.STARTED_OVER)}


def choose_families(families: list[str], method: Any) -> list[Any]:
    """Select module types; switch the method if it does not support them."""
    method_class = METHODS.get(method) if isinstance(method, str) else None
    only = method_class.families if method_class else None
    fits = only is None or set(families) <= set(only)
    if method_class and not fits:
        other = METHODS[binding.PLAIN].label
        warn(texts.METHOD_SWITCHED.format(method=method_class.label, other=other))
    return [families, method if fits else binding.PLAIN]


def choose_method(method: Any) -> list[Any]:
    """Show the summary and options of a method."""
    method_class = METHODS.get(method) if isinstance(method, str) else None
    info = method_class.summary if method_class else None
    free = not is_sized(method)
    keep = gr.update(interactive=free, info=form.keep_info(method))
    groups = (gr.Column(visible=name == method) for name in METHODS)
    return [gr.Dropdown(info=info), keep, *groups]
