"""Tables of the page."""

from __future__ import annotations

from typing import Any

import gradio as gr


def table(
    headers: tuple[str, ...],
    rows: Any,
    label: str,
    *,
    labelled: bool = False,
    elem_id: str | None = None,
    widths: list[str] | None = None,
    numbers: int = 0,
) -> Any:
    """Make a table whose last columns are numbers, so that they sort as such."""
    kinds: Any = [*["str"] * (len(headers) - numbers), *["number"] * numbers]
    return gr.Dataframe(
        value=rows or [],
        headers=list(headers),
        datatype=kinds,
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
