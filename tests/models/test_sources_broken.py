"""Downloads that break, stop or never begin: what is kept is sound, and the next load works."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from compress_lib.errors import ModelUnavailableError, StoppedError
from compress_lib.models.loading import load_model
from compress_lib.models.sources import hub as hub_source
from compress_lib.models.sources import locate
from compress_lib.utils.progress import Event, Report
from tests.support.hub_fixtures import StartPython
from tests.support.hub_server import HubServer
from tests.support.tiny import tiny_module

Files = dict[str, bytes]
HUB_ID = "tiny/llama"
LOCATE = f"""
import json
from compress_lib.models.sources import locate
weights = locate({HUB_ID!r})
print(json.dumps([weights.folder, weights.revision]))
"""


@pytest.fixture
def tiny(hub: HubServer, tiny_checkpoint: Files) -> HubServer:
    """A Hub with one model."""
    hub.add(HUB_ID, tiny_checkpoint)
    return hub


def assert_sound(hub_cache: Path, files: Files) -> None:
    """The model loads, and nothing in the cache differs from the Hub or was left half-done."""
    model = load_model(HUB_ID, device="cpu")
    expected = tiny_module().state_dict()
    found = model.module.state_dict()
    assert all(torch.equal(found[name].float(), expected[name]) for name in expected)
    blobs = [path for path in hub_cache.glob("models--*/blobs/*") if path.suffix != ".lock"]
    assert {path.read_bytes() for path in blobs} <= set(files.values())


def stopping(after: float) -> Report:
    """Stop, once and for all later calls, when this share of the download is there."""

    def report(event: Event) -> None:
        if event.fraction > after:
            raise StoppedError

    return report


def test_a_broken_connection_is_taken_up_where_it_broke(
    tiny: HubServer, hub_cache: Path, tiny_checkpoint: Files
) -> None:
    tiny.cuts["model.safetensors"] = [20_000, 10_000]
    shares: list[float] = []
    locate(HUB_ID, report=lambda event: shares.append(event.fraction))
    ranges = [request.range for request in tiny.downloads("model.safetensors")]
    assert ranges == [None, "bytes=16384-", "bytes=24576-"]
    assert shares == sorted(shares)
    assert_sound(hub_cache, tiny_checkpoint)


def test_a_server_that_gives_no_parts_begins_anew(
    tiny: HubServer, hub_cache: Path, tiny_checkpoint: Files
) -> None:
    tiny.ranges = False
    tiny.cuts["model.safetensors"] = [40_000]
    shares: list[float] = []
    locate(HUB_ID, report=lambda event: shares.append(event.fraction))
    assert shares == sorted(shares) and shares[-1] <= 1
    assert_sound(hub_cache, tiny_checkpoint)


def test_a_download_that_keeps_breaking_leaves_a_sound_cache(
    tiny: HubServer, hub_cache: Path, tiny_checkpoint: Files
) -> None:
    tiny.cuts["model.safetensors"] = [0] * 20
    with pytest.raises(ModelUnavailableError, match="the Hugging Face Hub cannot be reached"):
        locate(HUB_ID)
    tiny.cuts.clear()
    tiny.log.clear()
    assert_sound(hub_cache, tiny_checkpoint)
    assert [request.path[-17:] for request in tiny.downloads()] == ["model.safetensors"]


def test_a_pinned_download_that_broke_is_not_taken_for_whole(
    tiny: HubServer, hub_cache: Path, tiny_checkpoint: Files
) -> None:
    commit = tiny.repos[HUB_ID].names["main"]
    tiny.cuts["tokenizer.json"] = [0] * 20
    with pytest.raises(ModelUnavailableError):
        locate(HUB_ID, revision=commit)
    tiny.cuts.clear()
    assert locate(HUB_ID, revision=commit).revision == commit
    assert_sound(hub_cache, tiny_checkpoint)


@pytest.mark.parametrize("after", [-1.0, 0.0, 0.3, 0.99])
def test_stopping_a_download_keeps_the_cache_sound(
    tiny: HubServer, hub_cache: Path, tiny_checkpoint: Files, after: float
) -> None:
    with pytest.raises(StoppedError):
        locate(HUB_ID, report=stopping(after))
    assert_sound(hub_cache, tiny_checkpoint)


def test_stopping_does_not_wait_for_the_rest(
    tiny: HubServer, hub_cache: Path, tiny_checkpoint: Files
) -> None:
    content = tiny_checkpoint["model.safetensors"]
    tiny.held.clear()
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(locate, HUB_ID, report=stopping(0.2))
        assert tiny.half_way.wait(30)
        with pytest.raises(StoppedError):
            stopped.result(30)
    assert not tiny.held.is_set(), "half of the weights were still to come"
    assert len(content) > 50_000
    tiny.held.set()
    assert_sound(hub_cache, tiny_checkpoint)


def test_threads_at_once(tiny: HubServer, hub_cache: Path, tiny_checkpoint: Files) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(locate, HUB_ID) for _ in range(4)]]
    assert len(set(found)) == 1
    assert_sound(hub_cache, tiny_checkpoint)


def test_processes_at_once(
    tiny: HubServer, hub_cache: Path, tiny_checkpoint: Files, start_python: StartPython
) -> None:
    tiny.pause = 0.02
    processes = [start_python(LOCATE) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    first, second = (json.loads(output) for output, _ in outputs)
    assert first == second
    assert first[1] == tiny.repos[HUB_ID].names["main"]
    tiny.log.clear()
    assert_sound(hub_cache, tiny_checkpoint)
    assert tiny.log == []


def test_a_killed_process_does_not_spoil_the_cache(
    tiny: HubServer, tiny_checkpoint: Files, start_python: StartPython
) -> None:
    tiny.held.clear()
    process = start_python(LOCATE)
    assert tiny.half_way.wait(60)
    process.kill()
    process.wait()
    tiny.held.set()
    weights = locate(HUB_ID)
    content = Path(weights.folder, "model.safetensors").read_bytes()
    assert content == tiny_checkpoint["model.safetensors"]


def test_without_the_hub_a_cached_model_loads_and_another_says_why(tiny: HubServer) -> None:
    first = locate(HUB_ID)
    tiny.stop()
    assert locate(HUB_ID) == first
    message = "tiny/other is not in the cache and .* cannot be reached .*onnect.*name a folder"
    with pytest.raises(ModelUnavailableError, match=message):
        load_model("tiny/other")
    with pytest.raises(ModelUnavailableError, match="gpt2 is not in the cache"):
        load_model("gpt2")


def test_offline_mode_is_respected(tiny: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = locate(HUB_ID)
    tiny.log.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert locate(HUB_ID) == first
    with pytest.raises(ModelUnavailableError, match="offline mode is enabled"):
        load_model("tiny/other")
    assert tiny.log == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_in_trouble_counts_as_unreachable(tiny: HubServer, status: int) -> None:
    tiny.status = status
    with pytest.raises(ModelUnavailableError, match=f"cannot be reached .*{status}"):
        load_model(HUB_ID)


def test_trouble_that_begins_between_two_questions(
    tiny: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = hub_source._weights

    def then_trouble(hub_id: str, commit: str) -> tuple[int, dict[str, int]]:
        found = asked(hub_id, commit)
        tiny.status = 502
        return found

    monkeypatch.setattr(hub_source, "_weights", then_trouble)
    with pytest.raises(ModelUnavailableError, match=r"cannot be reached .*502"):
        load_model(HUB_ID)


def test_a_hub_that_does_not_answer(tiny: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_source, "TIMEOUT", 0.05)
    tiny.pause = 1.0
    with pytest.raises(ModelUnavailableError, match=r"cannot be reached .*timed out"):
        load_model(HUB_ID)


def test_the_login_page_of_a_network_is_not_the_hub(tiny: HubServer) -> None:
    tiny.page = "<html>Please log in</html>"
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        load_model(HUB_ID)
