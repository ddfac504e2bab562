"""Models from the Hub, asked of a server on this machine that answers like it."""

from __future__ import annotations

import errno
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save

from compress_lib.errors import CompressionError, ModelUnavailableError
from compress_lib.models.loading import LanguageModel, load_model
from compress_lib.models.sources import locate, memory
from compress_lib.utils.files import home
from tests.support.hub_server import HEADER_RANGE, HubServer
from tests.support.tiny import tiny_module

Files = dict[str, bytes]
HUB_ID = "tiny/llama"
FETCHED = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture
def tiny(hub: HubServer, tiny_checkpoint: Files) -> HubServer:
    """A Hub with one model."""
    hub.add(HUB_ID, tiny_checkpoint)
    return hub


def assert_same_weights(model: LanguageModel) -> None:
    expected = tiny_module().state_dict()
    found = model.module.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name].float(), expected[name]) for name in expected)


def fetched(hub: HubServer) -> set[str]:
    return {request.path.rpartition("/")[2] for request in hub.downloads()}


def changed(files: Files) -> Files:
    return {**files, "generation_config.json": b"{}"}


def test_a_model_is_downloaded_and_loaded(tiny: HubServer) -> None:
    model = load_model(HUB_ID, device="cpu")
    assert_same_weights(model)
    assert model.dtype == torch.float16
    assert model.tokenizer.decode(model.tokenizer("a story").input_ids) == "a story"
    assert re.fullmatch("[0-9a-f]{40}", model.revision)
    assert model.revision == tiny.repos[HUB_ID].names["main"]
    assert model.source == f"Hugging Face Hub ({HUB_ID})"
    assert fetched(tiny) == FETCHED, "no README, no code, no other formats"
    assert not [request for request in tiny.log if "xet" in request.path]


def test_the_second_load_asks_nothing(tiny: HubServer) -> None:
    first = load_model(HUB_ID, device="cpu")
    tiny.log.clear()
    again = load_model(HUB_ID, device="cpu")
    assert tiny.log == []
    assert (again.revision, again.source) == (first.revision, first.source)


def test_the_commit_of_the_first_load_is_kept(tiny: HubServer, tiny_checkpoint: Files) -> None:
    first = locate(HUB_ID)
    newer = tiny.repos[HUB_ID].commit(changed(tiny_checkpoint))
    assert locate(HUB_ID).revision == first.revision
    assert locate(HUB_ID, revision=newer).revision == newer


def test_a_named_revision_is_loaded_and_does_not_become_the_usual_one(
    tiny: HubServer, tiny_checkpoint: Files
) -> None:
    tagged = tiny.repos[HUB_ID].commit(changed(tiny_checkpoint), "v1")
    assert locate(HUB_ID, revision="v1").revision == tagged
    assert locate(HUB_ID).revision == tiny.repos[HUB_ID].names["main"]
    tiny.log.clear()
    assert locate(HUB_ID, revision="v1").revision == tagged
    assert locate(HUB_ID, revision=tagged).revision == tagged
    assert tiny.log == []


def test_a_pinned_commit_comes_before_the_newest(
    tiny: HubServer, tiny_checkpoint: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = tiny.repos[HUB_ID].names["main"]
    tiny.repos[HUB_ID].commit(changed(tiny_checkpoint))
    monkeypatch.setattr("compress_lib.utils.profiles.pins", lambda: {HUB_ID: pinned})
    assert locate(HUB_ID).revision == pinned
    tiny.log.clear()
    assert locate(HUB_ID).revision == pinned
    assert tiny.log == []


def test_a_note_that_was_damaged_is_made_anew(tiny: HubServer) -> None:
    first = locate(HUB_ID)
    (note,) = (home() / "hub").iterdir()
    for damage in (b"", b"\xff\xfe{", b"[1]"):
        note.write_bytes(damage)
        assert locate(HUB_ID).revision == first.revision


def test_weights_in_several_files(hub: HubServer, tiny_shards: Files) -> None:
    hub.add("tiny/shards", tiny_shards)
    assert len([name for name in tiny_shards if name.endswith(".safetensors")]) > 1
    assert_same_weights(load_model("tiny/shards", device="cpu"))
    hub.log.clear()
    assert_same_weights(load_model("tiny/shards", device="cpu"))
    assert hub.log == []


def test_the_same_weights_in_other_files_are_left_alone(
    hub: HubServer, tiny_checkpoint: Files, tiny_shards: Files
) -> None:
    other = {"consolidated.safetensors": b"x", "onnx/model.json": b"{}", "modeling.py": b"x"}
    hub.add("tiny/both", {**tiny_shards, **tiny_checkpoint, **other, "pytorch_model.bin": b"x"})
    assert_same_weights(load_model("tiny/both", device="cpu"))
    assert fetched(hub) == FETCHED | {"model.safetensors.index.json"}


def test_progress_rises_from_nothing_to_all(tiny: HubServer) -> None:
    shares: list[float] = []
    load_model(HUB_ID, device="cpu", report=lambda event: shares.append(event.fraction))
    assert shares == sorted(shares)
    assert shares[0] == 0 and shares[-1] == 1
    assert len({share for share in shares if 0 < share < 0.8}) > 5


def test_unknown_models_and_revisions_are_one_sentence(tiny: HubServer) -> None:
    with pytest.raises(ModelUnavailableError, match="no model tiny/other on the Hugging Face Hub"):
        load_model("tiny/other")
    with pytest.raises(ModelUnavailableError, match="tiny/llama has no revision 'v9'"):
        load_model(HUB_ID, revision="v9")
    with pytest.raises(ModelUnavailableError, match="no revision"):
        load_model(HUB_ID, revision="0" * 40)
    with pytest.raises(ModelUnavailableError, match="not a valid Hub id"):
        load_model("tiny/a--b", revision="0" * 40)


def test_a_gated_model_says_what_to_do(
    hub: HubServer, tiny_checkpoint: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("tiny/gated", tiny_checkpoint, gated=True)
    with pytest.raises(ModelUnavailableError, match="accept its licence"):
        load_model("tiny/gated")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ModelUnavailableError, match="does not accept the access token"):
        load_model("tiny/gated")
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert_same_weights(load_model("tiny/gated", device="cpu"))


def pickled(files: Files) -> Files:
    others = {name: content for name, content in files.items() if "safetensors" not in name}
    return {**others, "pytorch_model.bin": b"cposix\nsystem\n"}


def test_pickles_are_never_asked_for(hub: HubServer, tiny_checkpoint: Files) -> None:
    hub.add("tiny/pickles", pickled(tiny_checkpoint))
    hub.add("tiny/closed", pickled(tiny_checkpoint), discussions_off=True)
    for name in ("tiny/pickles", "tiny/closed"):
        with pytest.raises(ModelUnavailableError, match="no readable safetensors weights"):
            load_model(name)
    assert not [request for request in hub.log if request.path.endswith(".bin")]


def test_the_converter_s_safetensors_are_found_in_its_pull_request(
    hub: HubServer, tiny_checkpoint: Files
) -> None:
    repo = hub.add("tiny/old", pickled(tiny_checkpoint))
    converted = repo.pull_request(
        {**tiny_checkpoint, "pytorch_model.bin": b"x"}, author="SFconvertbot"
    )
    model = load_model("tiny/old", device="cpu")
    assert_same_weights(model)
    assert model.revision == converted
    assert not [request for request in hub.log if request.path.endswith(".bin")]
    hub.log.clear()
    assert load_model("tiny/old", device="cpu").revision == converted
    assert hub.log == []


@pytest.mark.parametrize(("author", "status"), [("somebody", "open"), ("SFconvertbot", "closed")])
def test_other_pull_requests_are_not_trusted(
    hub: HubServer, tiny_checkpoint: Files, author: str, status: str
) -> None:
    repo = hub.add("tiny/old", pickled(tiny_checkpoint))
    repo.pull_request(tiny_checkpoint, author=author, status=status)
    with pytest.raises(ModelUnavailableError, match="no readable safetensors weights"):
        load_model("tiny/old")


def test_a_model_too_large_is_refused_by_its_header(
    tiny: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 100_000)
    with pytest.raises(ModelUnavailableError, match=r"tiny/llama has .* Choose a smaller model"):
        load_model(HUB_ID)
    weights = [request for request in tiny.log if request.path.endswith(".safetensors")]
    assert {request.range for request in weights if request.method == "GET"} == {HEADER_RANGE}
    assert tiny.downloads() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_type": "vit", "architectures": ["ViTModel"]}, "vit is neither a causal nor"),
        ({"model_type": "never_heard_of"}, "never_heard_of"),
    ],
)
def test_an_architecture_is_refused_before_its_weights_are_fetched(
    hub: HubServer, tiny_checkpoint: Files, changes: dict[str, Any], told: str
) -> None:
    config = json.dumps(json.loads(tiny_checkpoint["config.json"]) | changes).encode()
    hub.add(HUB_ID, {**tiny_checkpoint, "config.json": config})
    with pytest.raises(ModelUnavailableError, match=rf"{HUB_ID} cannot be loaded: .*{told}"):
        load_model(HUB_ID)
    assert hub.downloads(".safetensors") == []


def test_weights_of_whole_numbers_are_refused_by_their_header(
    hub: HubServer, tiny_checkpoint: Files
) -> None:
    coarse = save({"weight": torch.ones(4, 4, dtype=torch.int8)})
    hub.add(HUB_ID, {**tiny_checkpoint, "model.safetensors": coarse})
    with pytest.raises(ModelUnavailableError, match=r"are I8; at least some must be F16"):
        load_model(HUB_ID)
    assert hub.downloads() == []


def test_a_disk_without_room_is_told_before_the_download(
    tiny: HubServer, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> Any:
        asked.append(Path(path))
        return SimpleNamespace(free=1000)

    monkeypatch.setattr("compress_lib.utils.files.shutil.disk_usage", usage)
    with pytest.raises(CompressionError, match="set HF_HOME to a folder on a larger disk"):
        load_model(HUB_ID)
    assert all(hub_cache.is_relative_to(place) for place in asked)
    assert tiny.downloads() == []


def test_a_disk_that_fills_up_is_one_sentence(
    tiny: HubServer, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.file_download.http_get", full)
        with pytest.raises(CompressionError, match="The disk is full"):
            load_model(HUB_ID)
    assert_same_weights(load_model(HUB_ID, device="cpu"))
    shutil.rmtree(hub_cache)
    hub_cache.write_text("a file where the cache should be")
    with pytest.raises(CompressionError, match=r"cannot be written \("):
        load_model(HUB_ID)
