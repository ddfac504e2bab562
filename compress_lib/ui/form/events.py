"""What happens in the form: it says what its plan would do, and shows what a choice asks for."""

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
    """What happens in the form.

    Args:
        panel: The components.
        engine: Knows the matrices of models.
        link: The button that copies it, and what takes it.
        chart: The map, which shows the same plan.
        beside: The tray, the session's runs and the shown one, see `beside.runs_beside`.
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
        """Connect all of it."""
        panel = self.panel
        # Gradio asks anew for all that a change asks for whenever one answer came too late: were
        # there two that wait for the last change, each would set off the other without end.
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
        """Preview the plan in the form, and draw it on the map."""
        try:
            plan = self.panel.read(given)
        except CompressionError as error:
            return [preview.complaint(error), *self.chart.refuse(error)]
        told = preview.describe_plan(self.engine, plan)
        return [told, *self.chart.draw_plan(plan, given)]

    def link(self, given: Mapping[Any, Any]) -> list[str]:
        """Return the plan in the form as a query string with what it is compared with.

        And a sentence that says what the link restores.
        """
        tray, keys, current = (given[component] for component in self.beside)
        try:
            plan = self.panel.read(given)
            beside = plans_of(runs_beside(self.engine, tray, keys, current))
            shown = is_of(session_runs.lookup(self.engine, current), plan)
        except CompressionError as error:
            raise refusal(error) from error
        said = texts.LINK_COPIED_BESIDE if beside else texts.LINK_COPIED
        if plan.evaluation.corpus == OWN_TEXT:
            said = texts.LINK_WITHOUT_TEXT
        elif not shown:
            said = f"{said} {texts.LINK_OF_FORM}"
        return [to_query(plan, beside), html.status(said)]

    def start_over(self) -> dict[Any, Any]:
        """Put the default plan into the form."""
        return {**self.panel.fill(Plan()), self.panel.status: html.status(texts.STARTED_OVER)}


def choose_families(families: list[str], method: Any) -> list[Any]:
    """Choose families; a method that does not know them gives way to one that does."""
    known = METHODS.get(method) if isinstance(method, str) else None
    only = known.families if known else None
    fits = only is None or set(families) <= set(only)
    if known and not fits:
        other = METHODS[binding.PLAIN].label
        warn(texts.METHOD_SWITCHED.format(method=known.label, other=other))
    return [families, method if fits else binding.PLAIN]


def choose_method(method: Any) -> list[Any]:
    """Show a method's summary and its options."""
    known = METHODS.get(method) if isinstance(method, str) else None
    info = known.summary if known else None
    free = not is_sized(method)
    keep = gr.update(interactive=free, info=form.keep_info(method))
    groups = (gr.Column(visible=name == method) for name in METHODS)
    return [gr.Dropdown(info=info), keep, *groups]
