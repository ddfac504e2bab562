"""Option inputs of every method, and buttons for its presets and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from compress_lib.methods import METHODS, Method, Option, OptionValue, preset_options
from compress_lib.ui.common import texts
from compress_lib.ui.form import binding

SEEN = 6
"""Number of options shown at once; the remaining ones are in an accordion."""


@dataclass(frozen=True)
class Settings:
    """A button, the components that it sets and their new values."""

    button: Any
    fields: list[Any]
    values: list[OptionValue]


def option_groups(
    shown: binding.Values,
) -> tuple[dict[str, Any], dict[str, Any], list[Settings]]:
    """Build a group of option inputs per method; only that of the selected method is visible.

    Returns:
        The groups by method, all inputs by `binding.option_key`, and the buttons.
    """
    groups: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    settings: list[Settings] = []
    for name, method in METHODS.items():
        with gr.Column(visible=name == shown["method"]) as group:
            buttons = _buttons(method)
            fields = _fields(method, shown)
        groups[name] = group
        keys = [binding.option_key(name, option.name) for option in method.options()]
        inputs |= dict(zip(keys, fields, strict=True))
        settings += [
            Settings(button, fields, _values(method, preset)) for preset, button in buttons
        ]
    return groups, inputs, settings


def _buttons(method: type[Method]) -> list[tuple[str | None, Any]]:
    """Build a button per preset and one for the defaults; none if there are no presets."""
    if not method.presets:
        return []
    with gr.Row(elem_classes="settings"):
        names = [(preset, preset) for preset in method.presets]
        return [
            (preset, gr.Button(label, size="sm", min_width=50))
            for preset, label in (*names, (None, texts.DEFAULTS))
        ]


def _values(method: type[Method], preset: str | None) -> list[OptionValue]:
    """Return the values of all options of a method with a preset, in order of declaration."""
    chosen = preset_options(method.name, preset)
    return [chosen.get(option.name, option.default) for option in method.options()]


def _fields(method: type[Method], shown: binding.Values) -> list[Any]:
    options = method.options()
    if not options:
        gr.Markdown(texts.NO_OPTIONS)
    # An accordion for one or two options is not worth the click.
    cut = SEEN if len(options) > SEEN + 2 else len(options)
    inputs = _grid(method, options[:cut], shown)
    if options[cut:]:
        title = texts.MORE_OPTIONS.format(count=len(options) - cut)
        with gr.Accordion(title, open=False, elem_classes="more-options"):
            inputs += _grid(method, options[cut:], shown)
    return inputs


def _grid(method: type[Method], options: tuple[Option, ...], shown: binding.Values) -> list[Any]:
    with gr.Row(elem_classes="options"):
        return [
            _component(option, shown[binding.option_key(method.name, option.name)])
            for option in options
        ]


def _component(option: Option, value: Any) -> Any:
    """Build the input of an option.

    It sets no bounds: the library validates values with a clear message, while Gradio's own
    validation would cover all results with an error.
    """
    about: dict[str, Any] = {"label": option.label, "info": option.help, "min_width": 140}
    if isinstance(option.default, bool):
        return gr.Checkbox(value=bool(value), **about)
    if option.choices:
        return gr.Dropdown(list(option.choices), value=value, **about)
    if isinstance(option.default, int):
        return gr.Number(value=value, precision=0, **about)
    if isinstance(option.default, float):
        return gr.Number(value=value, **about)
    return gr.Textbox(value=value, **about)
