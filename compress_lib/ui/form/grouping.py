"""Grouping and allocation fields, which apply to all rules of the form."""

from __future__ import annotations

from typing import Any

import gradio as gr

from compress_lib.ui.common import texts
from compress_lib.ui.form import binding


def together(fields: dict[str, Any], shown: binding.Values) -> None:
    """Add the components of `binding.GROUPING` to `fields`, with the initial values `shown`."""
    fields["group"] = gr.Radio(
        choices(texts.GROUP_CHOICES),
        value=shown["group"],
        label=texts.GROUP,
        elem_id="group",
    )
    with gr.Row():
        fields["window"] = gr.Number(
            shown["window"],
            label=texts.WINDOW,
            info=texts.WINDOW_INFO,
            precision=0,
            min_width=120,
            elem_id="window",
        )
        fields["orientation"] = gr.Dropdown(
            choices(texts.ORIENTATION_CHOICES),
            value=shown["orientation"],
            label=texts.ORIENTATION,
            info=texts.ORIENTATION_INFO,
            min_width=120,
            elem_id="orientation",
        )
    fields["tie"] = gr.Radio(
        choices(texts.TIE_CHOICES),
        value=shown["tie"],
        label=texts.TIE,
        info=texts.TIE_INFO,
        elem_id="tie",
    )
    fields["allocation"] = gr.Dropdown(
        choices(texts.ALLOCATION_CHOICES),
        value=shown["allocation"],
        label=texts.ALLOCATION,
        info=texts.ALLOCATION_INFO,
        elem_id="allocation",
    )
    fields["inputs"] = gr.Radio(
        choices(texts.INPUTS_CHOICES),
        value=shown["inputs"],
        label=texts.INPUTS,
        info=texts.INPUTS_INFO,
        elem_id="inputs",
    )


def choices(labels: dict[str, str]) -> list[tuple[str, str]]:
    """Return the (label, value) pairs of a menu."""
    return [(label, name) for name, label in labels.items()]
