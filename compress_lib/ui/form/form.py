"""Plan form: the left column of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from compress_lib.data.corpora import CORPORA
from compress_lib.data.text_spec import MAX_TEXT, OWN_TEXT
from compress_lib.methods import METHODS, is_sized
from compress_lib.models.targets import FAMILIES
from compress_lib.plan.plan import MAX_PROMPT, Plan
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import LIVE
from compress_lib.ui.common.components import AnySlider
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding, map_panel
from compress_lib.ui.form.grouping import choices, together
from compress_lib.ui.form.map_panel import MapPanel
from compress_lib.ui.form.method_options import Settings, option_groups
from compress_lib.ui.form.model_choices import model_choices


@dataclass(frozen=True)
class PlanPanel:
    """Components of the plan form.

    Attributes:
        fields: Input components by name; see `binding.form_values`.
        groups: Option groups by method.
        presets: Preset buttons with their module types.
        settings: Buttons that set several options.
        sweep: Methods, sizes and start button of the sweep.
    """

    fields: dict[str, Any]
    groups: dict[str, Any]
    preview: Any
    run: Any
    stop: Any
    status: Any
    presets: list[tuple[Any, tuple[str, ...]]]
    settings: list[Settings]
    start_over: Any
    map: MapPanel
    sweep: list[Any]

    @property
    def inputs(self) -> set[Any]:
        """All fields as a set, so that an event handler receives them as one dictionary."""
        return set(self.fields.values())

    def read(self, given: Mapping[Any, Any]) -> Plan:
        """Return the plan in the form.

        Args:
            given: Values by component.

        Raises:
            CompressionError: A value is unknown, out of range or missing.
        """
        return binding.read_plan({name: given[field] for name, field in self.fields.items()})

    def fill(self, plan: Plan) -> dict[Any, Any]:
        """Return the form's values for a plan by component."""
        values = binding.form_values(plan)
        return {field: values[name] for name, field in self.fields.items()}


def build(engine: Engine, preview: str) -> PlanPanel:
    """Build the form, showing the default plan.

    Args:
        engine: Provides the shapes of models' matrices.
        preview: Preview of the default plan as HTML.
    """
    shown = binding.form_values(Plan())
    fields: dict[str, Any] = {}
    with gr.Group():
        presets = _model_and_method(fields, shown)
        box = gr.HTML(preview, elem_id="preview", js_on_load=LIVE)
    with gr.Column(elem_id="actions"):
        with gr.Row(equal_height=True):
            wide: dict[str, Any] = {"size": "lg", "scale": 4, "min_width": 200}
            run = gr.Button(texts.RUN, variant="primary", elem_id="run", **wide)
            slim: dict[str, Any] = {"size": "lg", "scale": 1, "min_width": 80}
            stop = gr.Button(texts.STOP, elem_id="stop", interactive=False, **slim)
        status = gr.HTML(html.status(texts.READY), elem_id="status", js_on_load=LIVE)
    start_over = gr.Button(texts.START_OVER, size="sm", elem_id="start-over")
    with gr.Accordion(texts.MAP, open=False, elem_id="layers-map"):
        chart = map_panel.build(engine)
    with gr.Accordion(texts.SWEEP_PLANS, open=False, elem_id="sweep-plans"):
        sweep = _sweep()
    with gr.Accordion(texts.OPTIONS, open=False):
        groups, options, settings = option_groups(shown)
    with gr.Accordion(texts.GROUPING, open=False, elem_id="together"):
        together(fields, shown)
    with gr.Accordion(texts.OVERRIDES, open=False):
        gr.Markdown(texts.OVERRIDES_INFO)
        fields["overrides"] = gr.Dataframe(
            value=[["", "", ""]],
            headers=list(texts.OVERRIDES_HEADERS),
            type="array",
            datatype="str",
            column_count=(3, "fixed"),  # type: ignore[arg-type]
            interactive=True,
            show_label=False,
            elem_id="overrides",
        )
    with gr.Accordion(texts.MEASURE, open=False):
        _measure(fields, shown)
    with gr.Accordion(texts.WRITING, open=False):
        _writing(fields, shown)
    buttons = (run, stop, status, presets, settings, start_over)
    return PlanPanel(fields | options, groups, box, *buttons, chart, sweep)


def keep_info(method: Any) -> str:
    """Return the help text of the size slider for a method."""
    return texts.KEEP_SIZED if is_sized(method) else texts.KEEP_INFO


def _model_and_method(
    fields: dict[str, Any], shown: binding.Values
) -> list[tuple[Any, tuple[str, ...]]]:
    fields["model"] = gr.Dropdown(
        model_choices(),
        value=shown["model"],
        label=texts.MODEL,
        info=texts.MODEL_INFO,
        allow_custom_value=True,
        elem_id="model",
    )
    fields["families"] = gr.CheckboxGroup(
        [(FAMILIES[family], family) for family in binding.CHOICES],
        value=shown["families"],
        label=texts.FAMILIES,
        elem_id="families",
    )
    with gr.Row(elem_id="presets"):
        presets = [
            (gr.Button(label, size="sm", min_width=60), families)
            for label, families in binding.PRESETS.items()
        ]
    fields["method"] = gr.Dropdown(
        binding.method_choices(),
        value=shown["method"],
        label=texts.METHOD,
        info=METHODS[shown["method"]].summary,
        elem_id="method",
    )
    fields["keep"] = AnySlider(
        0.02,
        1.0,
        value=shown["keep"],
        step=0.01,
        label=texts.KEEP,
        info=keep_info(shown["method"]),
        interactive=not is_sized(shown["method"]),
        elem_id="keep",
    )
    return presets


def _sweep() -> list[Any]:
    """Build the method menu, the field for sizes and the start button of the sweep."""
    gr.Markdown(texts.SWEEP_PLANS_HELP)
    methods = gr.Dropdown(
        binding.method_choices(),
        value=[],
        multiselect=True,
        label=texts.SWEEP_METHODS,
        elem_id="sweep-methods",
    )
    keeps = gr.Textbox("0.25, 0.5, 0.75", label=texts.SWEEP_KEEPS, elem_id="sweep-keeps")
    start = gr.Button(texts.SWEEP_RUN, size="sm", elem_id="sweep-start")
    return [methods, keeps, start]


def _measure(fields: dict[str, Any], shown: binding.Values) -> None:
    corpora = [(corpus.label, name) for name, corpus in CORPORA.items()]
    fields["corpus"] = gr.Dropdown(
        [*corpora, (texts.OWN_CHOICE, OWN_TEXT)],
        value=shown["corpus"],
        label=texts.CORPUS,
        elem_id="corpus",
    )
    fields["own_text"] = gr.Textbox(
        label=texts.OWN_TEXT,
        placeholder=texts.OWN_TEXT_HINT,
        lines=5,
        max_length=MAX_TEXT,
        visible=shown["corpus"] == OWN_TEXT,
        elem_id="own-text",
    )
    with gr.Row():
        fields["tokens"] = gr.Number(shown["tokens"], label=texts.TOKENS, precision=0, min_width=80)
        fields["context"] = gr.Number(
            shown["context"], label=texts.CONTEXT, precision=0, min_width=80
        )
    fields["protocol"] = gr.Dropdown(
        choices(texts.PROTOCOL_CHOICES),
        value=shown["protocol"],
        label=texts.PROTOCOL,
        elem_id="protocol",
    )
    fields["calibration"] = gr.Dropdown(
        corpora,
        value=shown["calibration"],
        label=texts.CALIBRATION,
        info=texts.CALIBRATION_INFO,
    )
    fields["calibration_tokens"] = gr.Number(
        shown["calibration_tokens"],
        label=texts.CALIBRATION_TOKENS,
        info=texts.CALIBRATION_TOKENS_INFO,
        precision=0,
    )


def _writing(fields: dict[str, Any], shown: binding.Values) -> None:
    fields["prompt"] = gr.Textbox(
        shown["prompt"],
        label=texts.PROMPT,
        info=texts.PROMPT_INFO,
        lines=2,
        max_length=MAX_PROMPT,
        elem_id="prompt",
    )
    fields["new_tokens"] = AnySlider(
        1, 256, value=shown["new_tokens"], step=1, label=texts.NEW_TOKENS
    )
    with gr.Row():
        fields["temperature"] = gr.Number(
            shown["temperature"],
            label=texts.TEMPERATURE,
            info=texts.TEMPERATURE_INFO,
            step=0.1,
            min_width=80,
        )
        fields["seed"] = gr.Number(
            shown["seed"],
            label=texts.SEED,
            info=texts.SEED_INFO,
            precision=0,
            min_width=80,
        )
