"""Toast messages of the page; Gradio renders them as HTML, so they are escaped."""

from __future__ import annotations

from html import escape

import gradio as gr
from gradio.context import LocalContext


def session() -> str | None:
    """Return the session ID of the event being handled, or None outside events."""
    request = LocalContext.request.get(None)
    return getattr(request, "session_hash", None)


SECONDS = 12
"""Duration of a warning."""


def warn(message: object) -> None:
    """Show a warning for a few seconds."""
    gr.Warning(escape(str(message)), duration=SECONDS)


def refusal(message: object) -> gr.Error:
    """Return an error that ends the event with a message; the caller raises it."""
    return gr.Error(escape(str(message)), print_exception=False)
