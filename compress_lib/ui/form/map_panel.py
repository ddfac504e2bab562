"""Layer map with its controls: selection, method and size, undo and redo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from compress_lib.plan.plan import Plan
from compress_lib.ui.common import texts
from compress_lib.ui.common.browser import LIVE, MAP
from compress_lib.ui.common.components import AnySlider
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding
from compress_lib.ui.form.map_history import state_of
from compress_lib.ui.form.map_table import COLOURS, layer_map, selection_line


@dataclass(frozen=True)
class MapPanel:
    """Components of the layer map."""

    colour: Any
    map: Any
    selection: Any
    method: Any
    keep: Any
    apply: Any
    dense: Any
    clear: Any
    undo: Any
    redo: Any
    preset: Any
    chosen: Any
    history: Any


def build(engine: Engine) -> MapPanel:
    """Build the map, showing the default plan.

    Args:
        engine: Provides the shapes of models' matrices.
    """
    plan = Plan()
    targets, _ = session_runs.find_targets(engine, plan.model)
    gr.Markdown(texts.MAP_HELP)
    with gr.Row():
        preset = gr.Dropdown(
            [(label, name) for name, label in texts.MAP_PRESETS.items()],
            value=None,
            label=texts.MAP_PRESET,
            min_width=120,
            elem_id="map-preset",
        )
        colour = gr.Dropdown(
            [(label, name) for name, label in texts.MAP_COLOURS.items()],
            value=COLOURS[0],
            label=texts.MAP_COLOUR,
            min_width=120,
            elem_id="map-colour",
        )
    shown = gr.HTML(layer_map(plan, targets, COLOURS[0]), js_on_load=MAP, elem_id="layer-map")
    selection = gr.HTML(selection_line(plan, targets, []), elem_id="map-chosen", js_on_load=LIVE)
    method = gr.Dropdown(
        binding.method_choices(),
        value=binding.PLAIN,
        label=texts.MAP_METHOD,
        elem_id="map-method",
    )
    keep = AnySlider(0.02, 1.0, value=0.5, step=0.01, label=texts.MAP_KEEP, elem_id="map-keep")
    with gr.Row(elem_classes="settings"):
        small: dict[str, Any] = {"size": "sm", "min_width": 60}
        apply = gr.Button(texts.MAP_APPLY, variant="primary", elem_id="map-apply", **small)
        dense = gr.Button(texts.MAP_DENSE_BUTTON, elem_id="map-dense", **small)
        clear = gr.Button(texts.MAP_CLEAR, elem_id="map-clear", **small)
    with gr.Row(elem_classes="settings"):
        undo = gr.Button(texts.UNDO, elem_id="undo", interactive=False, **small)
        redo = gr.Button(texts.REDO, elem_id="redo", interactive=False, **small)
    chosen = gr.State([], time_to_live=session_runs.KEPT_SECONDS)
    # The initial state of the form can be restored by Undo.
    initial = {"past": [state_of(plan)], "future": []}
    history = gr.State(initial, time_to_live=session_runs.KEPT_SECONDS)
    return MapPanel(
        *(colour, shown, selection, method, keep, apply, dense, clear),
        *(undo, redo, preset, chosen, history),
    )
