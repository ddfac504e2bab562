"""HTTP server for the page; loads the default model in the background."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.ui.app import Page
from compress_lib.ui.common import texts
from compress_lib.ui.common.messages import session
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.theme import style, theme
from compress_lib.utils.profiles import LENT_SECONDS, limits

THREADS = 40
"""Concurrent events besides the jobs."""


def launch(
    host: str | None = None, port: int | None = None, *, as_json: bool = False, block: bool = True
) -> gr.Blocks:
    """Build and serve the page, and load the default model in the background.

    Args:
        host: Address to listen on. If None: `GRADIO_SERVER_NAME`, else 0.0.0.0 on a Space and
            127.0.0.1 elsewhere.
        port: If None: `GRADIO_SERVER_PORT`, else 7860.
        as_json: Print the address to stdout as JSON.
        block: Serve until stopped instead of returning at once.

    Raises:
        CompressionError: The port is in use or the address is invalid.
    """
    page = Page(_engine())
    blocks = page.build()
    blocks.queue(api_open=False, max_size=64, default_concurrency_limit=8)
    try:
        _, address, _ = blocks.launch(
            server_name=host or os.environ.get("GRADIO_SERVER_NAME") or _usual_host(),
            server_port=port or int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
            theme=theme(),
            css=style(),
            head=f"<script>document.documentElement.lang = '{texts.LANGUAGE}'</script>",
            share=False,
            show_error=False,
            max_file_size="1mb",
            allowed_paths=[],
            enable_monitoring=False,
            # Every queued or running job occupies a thread; the rest serve page events.
            max_threads=limits()["queued_jobs"] + THREADS,
            ssr_mode=False,
            footer_links=[],
            prevent_thread_lock=True,
            # Expose the API endpoints to agents if the `mcp` extra is installed.
            mcp_server=find_spec("mcp") is not None,
            quiet=as_json,
        )
    except OSError as error:
        raise CompressionError(
            f"The page cannot be served: {error} Choose another port with --port."
        ) from error
    if as_json:
        sys.stdout.write(json.dumps({"url": address}) + "\n")
        sys.stdout.flush()
    page.engine.warm()
    if block:
        blocks.block_thread()
    return blocks


def _engine() -> Engine:
    """Return the engine for the deployment profile."""
    if LENT_SECONDS not in limits():
        return Engine(asker=session)
    from compress_lib.ui.engine.zerogpu import ZeroGpuEngine

    return ZeroGpuEngine(asker=session)


def _usual_host() -> str:
    """Return 0.0.0.0 on a Hugging Face Space and 127.0.0.1 elsewhere."""
    return "0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1"
