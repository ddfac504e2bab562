"""The few lines that run in the browser, and how events reach the server."""

from __future__ import annotations

import json
from typing import Any

from compress_lib.ui import texts

PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {**PRIVATE, "queue": False, "show_progress": "hidden"}
"""Settings of events: none is offered as an interface, and quick ones do not wait in line."""

AFTER_RUN = """(query) => {
    if (!query) return;
    history.replaceState(null, '', '?' + query);
    if (innerWidth < 820) document.querySelector('#headline').scrollIntoView();
}"""
COPY_LINK = f"""async (query) => {{
    const link = location.origin + location.pathname + '?' + query;
    history.replaceState(null, '', '?' + query);
    try {{ await navigator.clipboard.writeText(link); }} catch (error) {{ prompt('', link); }}
    const button = document.querySelector('#copy-link');
    const before = button.textContent;
    button.textContent = {json.dumps(texts.COPIED)};
    setTimeout(() => {{ button.textContent = before; }}, 1500);
}}"""


SAVE_FILE = """(file) => {
    if (!file) return;
    const { name, type, content } = JSON.parse(file);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}"""

FIT = "() => setTimeout(() => window.dispatchEvent(new Event('resize')), 60)"
"""Redraw charts at the size they have now."""
