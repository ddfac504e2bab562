"""Components that leave wrong values to us, in place of the word Error over all results."""

from __future__ import annotations

from typing import Any

import gradio as gr


class AnySlider(gr.Slider):
    """A slider that hands on whatever was typed beside it, for `controls.read` to answer.

    A class, because what is set on an instance is lost when a session gets a component of its own.
    """

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Return what was given."""
        return payload


class AnyDropdown(gr.Dropdown):
    """A menu that keeps what was chosen from it when its choices change."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Return what was given."""
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
    """Make a table whose last columns are numbers, so that they sort as such.

    Args:
        headers: Of the columns.
        rows: As text and numbers.
        label: What it is called.
        labelled: Whether its name is shown.
        elem_id: Of its element.
        widths: Of the columns.
        numbers: How many columns at the end are numbers.
        kinds: Of all columns, where numbers do not come last.
        searched: Whether there is a field to search in.
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
