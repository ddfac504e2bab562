"""Fixtures that point the library at a Hub, a cache and a package index of the test's own."""

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
    """The files of a small checkpoint, with a README as every repository has one."""
    folder = save_tiny(tmp_path_factory.mktemp("tiny"))
    return {**files_of(folder), "README.md": b"# Tiny\n", ".gitattributes": b"\n"}


@pytest.fixture(scope="session")
def tiny_shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same with the weights in several files."""
    return files_of(write_shards(tmp_path_factory.mktemp("shards")))


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as a GGUF file."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for huggingface_hub, which reads its variables at import only."""
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
    """A Hub on this machine that the library believes to be the only one."""
    from huggingface_hub import close_session, constants
    from huggingface_hub import file_download as download
    from huggingface_hub.utils import _http as http

    server = HubServer()
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Tiny files arrive in many pieces, and nothing waits before it asks again.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 4096)
    at_once = SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr(download, "time", at_once)
    monkeypatch.setattr(http, "time", at_once)
    close_session()
    yield server
    server.stop()
    close_session()


@pytest.fixture
def start_python(hub: HubServer, hub_cache: Path) -> Iterator[StartPython]:
    """Start Python code in a process of its own that uses the same Hub and caches."""
    here = ROOT
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(hub_cache.parent),
        "HF_HUB_CACHE": str(hub_cache),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(here),
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
