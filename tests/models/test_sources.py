"""Models that are folders, names that are nothing, and WikiText-2 from the Hub."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from compress_lib.data.corpora import read_text
from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError, ModelUnavailableError
from compress_lib.models.loading import load_model
from compress_lib.models.sources import locate, memory
from tests.support.hub_server import HubServer
from tests.support.tiny import CONFIGURATIONS, save_tiny, tiny_module

WIKITEXT = "Salesforce/wikitext"


def test_a_folder_is_loaded_where_it_lies(tmp_path: Path, hub: HubServer) -> None:
    folder = save_tiny(tmp_path / "model")
    model = load_model(str(folder), device="cpu")
    expected = tiny_module().state_dict()
    found = model.module.state_dict()
    assert all(torch.equal(found[name].float(), expected[name]) for name in expected)
    assert model.source == "folder model"
    assert hub.log == []


def test_a_folder_s_revision_tells_its_versions_apart(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "model")
    before = locate(str(folder)).revision
    assert locate(str(folder)).revision == before
    weights = folder / "model.safetensors"
    later = weights.stat().st_mtime_ns + 1_000_000
    os.utime(weights, ns=(later, later))
    assert locate(str(folder)).revision != before


def test_a_folder_may_be_named_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny(tmp_path / "model")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("~/model").folder == str(tmp_path / "model")


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailableError, match="no safetensors file"):
        load_model(str(folder))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelUnavailableError, match="could not be loaded"):
        load_model(str(empty))


def broken_config(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, "file not fully covered"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "could not be loaded"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON file"),
        (broken_config(model_type="unheard"), "unheard"),
        (broken_config(hidden_size="wide"), "expected int, got str"),
        (broken_config(num_hidden_layers=3), "its weights do not fit its config.json"),
        (broken_config(intermediate_size=128), "its weights do not fit its config.json"),
        (broken_config(model_type="bert"), "its weights do not fit its config.json"),
        (broken_config(quantization_config={"quant_method": "gptq", "bits": 4}), "quantized"),
    ],
)
def test_a_damaged_folder_is_one_sentence(
    tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    folder = save_tiny(tmp_path / "model")
    change(folder)
    with pytest.raises(ModelUnavailableError, match=message) as raised:
        load_model(str(folder), device="cpu")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("architecture", sorted(CONFIGURATIONS))
def test_every_architecture_finds_all_its_weights(tmp_path: Path, architecture: str) -> None:
    folder = save_tiny(tmp_path / "model", architecture)
    model = load_model(str(folder), device="cpu")
    expected = tiny_module(architecture).state_dict()
    found = model.module.state_dict()
    assert all(torch.equal(found[name].float(), expected[name]) for name in expected)


def test_names_that_are_nothing_are_one_sentence(tmp_path: Path) -> None:
    for name in (str(tmp_path / "missing"), "./missing", "a/b/c", "~nobody/here/model"):
        with pytest.raises(CompressionError, match="There is no folder"):
            load_model(name)
    with pytest.raises(CompressionError, match=r"Did you mean 'gpt2'\?"):
        load_model("gpt-2")
    for odd in ("x" * 5000, "zero\0byte", ""):
        with pytest.raises(CompressionError, match="Unknown model"):
            load_model(odd)


def test_memory_counts_a_container_s_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    machine = memory.available_memory()
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert memory.available_memory() == 4_000_000
    (tmp_path / "memory.stat").write_text("anon 300000\ninactive_file 500000\n")
    assert memory.available_memory() == 4_500_000, "files that were read make room when needed"
    (tmp_path / "memory.max").write_text("max\n")
    assert min(machine, memory.available_memory()) > 4_500_000


@pytest.fixture
def wikitext(hub: HubServer, tmp_path: Path) -> HubServer:
    """A Hub with a small WikiText-2."""
    import pyarrow
    import pyarrow.parquet

    files: dict[str, bytes] = {}
    for split in ("train", "validation", "test"):
        file = tmp_path / "rows.parquet"
        rows = ["", f" = Of {split} = \n", "", f" It rained in {split} . \n"]
        pyarrow.parquet.write_table(pyarrow.table({"text": rows}), file)
        files[f"wikitext-2-raw-v1/{split}-00000-of-00001.parquet"] = file.read_bytes()
    hub.add(WIKITEXT, files, kind="datasets")
    return hub


def test_wikitext_splits_are_its_test_and_validation_files(wikitext: HubServer) -> None:
    spec = TextSpec(corpus="wikitext-2")
    evaluation = read_text(spec, "evaluation")
    calibration = read_text(spec, "calibration")
    assert evaluation.content == "\n\n = Of test = \n\n\n\n\n It rained in test . \n"
    assert "validation" in calibration.content
    assert not [request for request in wikitext.log if "train-" in request.path]


def test_wikitext_is_fetched_once(wikitext: HubServer) -> None:
    spec = TextSpec(corpus="wikitext-2")
    first = read_text(spec, "evaluation")
    wikitext.log.clear()
    assert read_text(spec, "evaluation") == first
    assert wikitext.log == []
    wikitext.stop()
    assert read_text(spec, "evaluation") == first
    with pytest.raises(CompressionError, match="Use the corpus prose"):
        read_text(spec, "calibration")


def test_wikitext_out_of_reach_is_one_sentence(
    wikitext: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TextSpec(corpus="wikitext-2")
    wikitext.status = 503
    with pytest.raises(CompressionError, match=r"cannot be reached \(.*503"):
        read_text(spec, "evaluation")
    assert len(wikitext.log) == 1, "it does not ask again and again"
    wikitext.status, wikitext.page = None, "<html>Please log in</html>"
    with pytest.raises(CompressionError, match="cannot be reached"):
        read_text(spec, "evaluation")
    wikitext.page = None
    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(CompressionError, match="offline mode is enabled"):
            read_text(spec, "evaluation")
    wikitext.cuts["parquet"] = [100] * 20
    with pytest.raises(CompressionError, match="cannot be reached"):
        read_text(spec, "evaluation")
    wikitext.cuts.clear()
    assert "rained in test" in read_text(spec, "evaluation").content
