"""Browser fixtures: Chromium, and the app served with the real default model."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from compress_lib.ui.common import texts
from compress_lib.utils.files import home
from compress_lib.utils.paths import ROOT

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
QUICK = "tokens=512&context=256&new_tokens=8&rule=embedding~svd~0.5&prompt=The+sea"
RUN_SECONDS = 240_000


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the app on a free port; models are cached across sessions, runs are not."""
    data = tmp_path_factory.mktemp("home")
    models = home() / "models"
    models.mkdir(parents=True, exist_ok=True)
    (data / "models").symlink_to(models)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port)]
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "COMPRESS_LAB_HOME": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if server.poll() is not None:
            raise AssertionError((server.stdout.read() if server.stdout else b"").decode())
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.25)
    raise AssertionError("the page was not served within a minute")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def _opened(browser: Any, address: str, width: int) -> Iterator[Any]:
    """Open the page and wait for its first chart; finally assert that it raised no errors."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    opened = context.new_page()
    # Leaving the page during a run opens a confirmation dialog.
    opened.on("dialog", lambda dialog: dialog.accept())
    problems: list[str] = []
    hosts: set[str] = set()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda sent: hosts.add(sent.url.split("/")[2]))
    opened.goto(address)
    opened.wait_for_selector("#frontier .js-plotly-plot .point")
    yield opened
    assert problems == []
    assert {host.split(":")[0] for host in hosts if host} == {"127.0.0.1"}
    context.close()


@pytest.fixture
def page(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Page opened by a link with a quick plan, and its run if another test has executed it."""
    width = getattr(request, "param", 1400)
    with _opened(browser, f"{address}?{QUICK}", width) as opened:
        # The content of the link replaces the initial content a moment later.
        opened.wait_for_function("() => !/Ready/.test(document.querySelector('#status').innerText)")
        yield opened


@pytest.fixture
def front_page(browser: Any, address: str) -> Iterator[Any]:
    """Page opened without a link: shows the reference points, whatever other tests have run."""
    with _opened(browser, address, 1400) as opened:
        yield opened


def run_to_the_end(page: Any, expected: str) -> str:
    """Press Run and wait for the end and the expected result.

    Args:
        page: The page.
        expected: Text of the headline.

    Returns:
        The headline.
    """
    page.click("#run")
    # Wait for the run's name rather than a status word: the status may be left over from an
    # earlier run, or a quick run may pass through it unnoticed.
    finished = f":has-text('{texts.YOURS}'):not(:has-text('{texts.YOURS_SO_FAR}'))"
    page.wait_for_selector(f"#headline p:has-text('{expected}'){finished}", timeout=RUN_SECONDS)
    page.wait_for_function(
        "() => /Finished|stored result/.test(document.querySelector('#status').innerText)"
    )
    return str(page.inner_text("#headline"))


def choose(page: Any, element: str, label: str) -> None:
    """Select a menu option by its visible label."""
    page.click(f"{element} input")
    page.get_by_role("option", name=label, exact=True).click()


def contrast(first: str, second: str) -> float:
    """Return the WCAG 2 contrast ratio of two CSS colours."""

    def luminance(colour: str) -> float:
        channels = [int(float(n)) / 255 for n in re.findall(r"[\d.]+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)
