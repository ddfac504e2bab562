"""Fixtures for a fake Hub, an empty Hub cache and tiny checkpoints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compress_lib.utils.paths import ROOT
from tests.support.hub_server import HubServer
from tests.support.tiny import save_tiny
from tests.support.tiny_files import files_of, write_gguf, write_shards

StartPython = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of a tiny checkpoint, with a README like a real repository."""
    folder = save_tiny(tmp_path_factory.mktemp("tiny"))
    return {**files_of(folder), "README.md": b"# Tiny\n", ".gitattributes": b"\n"}


@pytest.fixture(scope="session")
def tiny_shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of a tiny checkpoint with sharded weights."""
    return files_of(write_shards(tmp_path_factory.mktemp("shards")))


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GGUF file with the same weights."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty huggingface_hub cache, set by patching: its variables are read only at import."""
    from huggingface_hub import constants

    home = tmp_path / "hf"
    monkeypatch.setattr(constants, "HF_HOME", str(home))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(home / "xet"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE"):
        monkeypatch.delenv(name, raising=False)
    return home / "hub"


@pytest.fixture
def hub(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Fake Hub that all Hub requests are redirected to."""
    from huggingface_hub import close_session, constants
    from huggingface_hub import file_download as download
    from huggingface_hub.utils import _http as http

    server = HubServer()
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Download tiny files in many chunks, and retry without delay.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
    no_delay = SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr(download, "time", no_delay)
    monkeypatch.setattr(http, "time", no_delay)
    close_session()
    yield server
    server.stop()
    close_session()


@pytest.fixture
def start_python(hub: HubServer, hub_cache: Path) -> Iterator[StartPython]:
    """Return a function that runs Python code in a new process with the same Hub and caches."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(hub_cache.parent),
        "HF_HUB_CACHE": str(hub_cache),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
    }
    started: list[subprocess.Popen[str]] = []

    def begin(code: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code]
        pipe: Any = subprocess.PIPE
        process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
