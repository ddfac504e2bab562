"""Words to a person beside the page: what is shown there is taken for HTML, so it is escaped."""

from __future__ import annotations

from html import escape

import gradio as gr
from gradio.context import LocalContext


def session() -> str | None:
    """Return which session the event belongs to that is being handled; None outside of events."""
    request = LocalContext.request.get(None)
    return getattr(request, "session_hash", None)


SECONDS = 12
"""How long a warning stays."""


def warn(message: object) -> None:
    """Show a sentence for a while."""
    gr.Warning(escape(str(message)), duration=SECONDS)


def refusal(message: object) -> gr.Error:
    """Return the error that ends an event with a sentence; raise it."""
    return gr.Error(escape(str(message)), print_exception=False)
