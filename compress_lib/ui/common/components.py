"""Gradio components without built-in validation, and tables.

Gradio's own validation covers all results with the word "Error"; these components pass invalid
values to the handlers, which answer with a message.
"""

from __future__ import annotations

from typing import Any

import gradio as gr


class AnySlider(gr.Slider):
    """Slider that passes on any typed value, which `binding.read_plan` validates.

    A subclass, because attributes set on an instance are lost when Gradio copies the component
    for a session.
    """

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Return the value unchanged."""
        return payload


class AnyDropdown(gr.Dropdown):
    """Dropdown that keeps its selection when its choices change."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Return the value unchanged."""
        return payload


def table(
    headers: tuple[str, ...],
    rows: Any,
    label: str,
    *,
    labelled: bool = False,
    elem_id: str | None = None,
    widths: list[str] | None = None,
    numbers: int = 0,
    kinds: tuple[str, ...] = (),
    searched: bool = False,
) -> Any:
    """Return a read-only table whose number columns sort numerically.

    Args:
        headers: Column headers.
        rows: Rows of text and numbers.
        label: Label of the table.
        labelled: Whether the label is shown.
        elem_id: ID of the HTML element.
        widths: Column widths in CSS units.
        numbers: Number of trailing numeric columns.
        kinds: Data types of all columns, if the numeric ones are not the last.
        searched: Whether the table has a search field.
    """
    usual = [*["str"] * (len(headers) - numbers), *["number"] * numbers]
    types: Any = list(kinds) or usual
    return gr.Dataframe(
        value=rows or [],
        headers=list(headers),
        datatype=types,
        show_search="search" if searched else "none",
        column_widths=widths,  # type: ignore[arg-type]
        wrap=True,
        elem_classes="table",
        type="array",
        interactive=False,
        label=label,
        show_label=labelled,
        max_height=360,
        elem_id=elem_id,
    )
