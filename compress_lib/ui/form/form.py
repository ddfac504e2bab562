"""The left side: everything that makes a plan."""

from __future__ import annotations

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
    """The components of the form, in the order of `controls.FIELDS` and the options after."""

    fields: list[Any]
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

    def filled(self, plan: Plan) -> dict[Any, Any]:
        """Return what the form shows for a plan, by component."""
        return dict(zip(self.fields, binding.shown_values(plan), strict=True))

    @property
    def families(self) -> Any:
        """The boxes of what to compress."""
        return self.fields[binding.FIELDS.index("families")]

    @property
    def method(self) -> Any:
        """The menu of methods."""
        return self.fields[binding.FIELDS.index("method")]

    @property
    def keep(self) -> Any:
        """The slider of what remains."""
        return self.fields[binding.FIELDS.index("keep")]

    @property
    def corpus(self) -> Any:
        """The menu of texts."""
        return self.fields[binding.FIELDS.index("corpus")]

    @property
    def own_text(self) -> Any:
        """Where text of one's own goes."""
        return self.fields[binding.FIELDS.index("own_text")]


def build(engine: Engine, preview: str) -> PlanPanel:
    """Make the form, showing the default plan."""
    shown = binding.write(Plan())
    made: dict[str, Any] = {}
    with gr.Group():
        presets = _what(made, shown)
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
    with gr.Accordion(texts.TOGETHER, open=False, elem_id="together"):
        together(made, shown)
    with gr.Accordion(texts.OVERRIDES, open=False):
        gr.Markdown(texts.OVERRIDES_INFO)
        made["overrides"] = gr.Dataframe(
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
        _measure(made, shown)
    with gr.Accordion(texts.WRITING, open=False):
        _writing(made, shown)
    fields = [made[name] for name in binding.FIELDS] + options
    buttons = (run, stop, status, presets, settings, start_over)
    return PlanPanel(fields, groups, box, *buttons, chart, sweep)


def keep_info(method: Any) -> str:
    """Return what stands beside the slider."""
    return texts.KEEP_SIZED if is_sized(method) else texts.KEEP_INFO


def _what(made: dict[str, Any], shown: binding.Form) -> list[tuple[Any, tuple[str, ...]]]:
    made["model"] = gr.Dropdown(
        model_choices(),
        value=shown.values["model"],
        label=texts.MODEL,
        info=texts.MODEL_INFO,
        allow_custom_value=True,
        elem_id="model",
    )
    made["families"] = gr.CheckboxGroup(
        [(FAMILIES[family], family) for family in binding.CHOICES],
        value=shown.values["families"],
        label=texts.FAMILIES,
        elem_id="families",
    )
    with gr.Row(elem_id="presets"):
        presets = [
            (gr.Button(label, size="sm", min_width=60), families)
            for label, families in binding.PRESETS.items()
        ]
    made["method"] = gr.Dropdown(
        binding.method_choices(),
        value=shown.values["method"],
        label=texts.METHOD,
        info=METHODS[shown.values["method"]].summary,
        elem_id="method",
    )
    made["keep"] = AnySlider(
        0.02,
        1.0,
        value=shown.values["keep"],
        step=0.01,
        label=texts.KEEP,
        info=keep_info(shown.values["method"]),
        interactive=not is_sized(shown.values["method"]),
        elem_id="keep",
    )
    return presets


def _sweep() -> list[Any]:
    """Make the menu of methods, the line of keeps, and the button that runs them all."""
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


def _measure(made: dict[str, Any], shown: binding.Form) -> None:
    corpora = [(corpus.label, name) for name, corpus in CORPORA.items()]
    made["corpus"] = gr.Dropdown(
        [*corpora, (texts.OWN_CHOICE, OWN_TEXT)],
        value=shown.values["corpus"],
        label=texts.CORPUS,
        elem_id="corpus",
    )
    made["own_text"] = gr.Textbox(
        label=texts.OWN_TEXT,
        placeholder=texts.OWN_TEXT_HINT,
        lines=5,
        max_length=MAX_TEXT,
        visible=shown.values["corpus"] == OWN_TEXT,
        elem_id="own-text",
    )
    with gr.Row():
        made["tokens"] = gr.Number(
            shown.values["tokens"], label=texts.TOKENS, precision=0, min_width=80
        )
        made["context"] = gr.Number(
            shown.values["context"], label=texts.CONTEXT, precision=0, min_width=80
        )
    made["protocol"] = gr.Dropdown(
        choices(texts.PROTOCOL_CHOICES),
        value=shown.values["protocol"],
        label=texts.PROTOCOL,
        elem_id="protocol",
    )
    made["calibration"] = gr.Dropdown(
        corpora,
        value=shown.values["calibration"],
        label=texts.CALIBRATION,
        info=texts.CALIBRATION_INFO,
    )
    made["calibration_tokens"] = gr.Number(
        shown.values["calibration_tokens"],
        label=texts.CALIBRATION_TOKENS,
        info=texts.CALIBRATION_TOKENS_INFO,
        precision=0,
    )


def _writing(made: dict[str, Any], shown: binding.Form) -> None:
    made["prompt"] = gr.Textbox(
        shown.values["prompt"],
        label=texts.PROMPT,
        info=texts.PROMPT_INFO,
        lines=2,
        max_length=MAX_PROMPT,
        elem_id="prompt",
    )
    made["new_tokens"] = AnySlider(
        1, 256, value=shown.values["new_tokens"], step=1, label=texts.NEW_TOKENS
    )
    with gr.Row():
        made["temperature"] = gr.Number(
            shown.values["temperature"],
            label=texts.TEMPERATURE,
            info=texts.TEMPERATURE_INFO,
            step=0.1,
            min_width=80,
        )
        made["seed"] = gr.Number(
            shown.values["seed"],
            label=texts.SEED,
            info=texts.SEED_INFO,
            precision=0,
            min_width=80,
        )
