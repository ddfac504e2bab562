"""GGUF files named directly: converted once, exactly, or refused in one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compress_lib.errors import ModelUnavailableError
from compress_lib.models.loading import load_model
from compress_lib.models.sources import gguf, memory
from tests.models.test_sources_package import assert_same_weights, kept
from tests.support.hub_server import HubServer
from tests.support.tiny_files import write_gguf


@pytest.mark.parametrize(("kind", "tolerance"), [("F16", 0.0), ("Q8_0", 0.01), ("Q4_1", 0.1)])
def test_a_gguf_file_named_directly(
    hub: HubServer, tmp_path: Path, kind: str, tolerance: float
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", kind)
    model = load_model(str(file), device="cpu")
    assert_same_weights(model, tolerance)
    assert model.source == "file tiny.gguf, de-quantized to float16"
    assert model.revision.startswith("gguf:")
    assert hub.log == []


def test_a_gguf_file_is_converted_once_wherever_it_lies(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_model(str(tiny_gguf), device="cpu")
    monkeypatch.setattr(gguf, "convert", None)
    moved = shutil.copy(tiny_gguf, tmp_path / "Moved.GGUF")
    again = load_model(str(moved), device="cpu")
    assert again.revision == first.revision
    assert len(kept()) == 1


def test_files_beside_a_gguf_file_play_no_part(tiny_gguf: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(tiny_gguf, tmp_path / "tiny.gguf"))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    code = '{"auto_map": {"AutoTokenizer": ["code.Tokenizer", null]}}'
    (tmp_path / "tokenizer_config.json").write_text(code)
    (tmp_path / "code.py").write_text("raise SystemExit('this ran')")
    assert_same_weights(load_model(str(file), device="cpu"))


@pytest.mark.parametrize("length", [0, 3, 20, 100, 5_000, 20_000, -10])
def test_a_gguf_file_cut_off_is_one_sentence(tiny_gguf: Path, tmp_path: Path, length: int) -> None:
    file = tmp_path / "cut.gguf"
    file.write_bytes(tiny_gguf.read_bytes()[:length])
    with pytest.raises(ModelUnavailableError, match="cut.gguf is not a GGUF file, or it is"):
        load_model(str(file))
    assert kept() == []


def test_gguf_files_that_cannot_be_used(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelUnavailableError, match=r"There is no file .*missing\.gguf"):
        load_model(str(tmp_path / "missing.gguf"))
    content = tiny_gguf.read_bytes()
    foreign = tmp_path / "foreign.gguf"
    foreign.write_bytes(content.replace(b"llama", b"lloom"))
    with pytest.raises(ModelUnavailableError, match=r"foreign\.gguf cannot be loaded as a causal"):
        load_model(str(foreign))
    monkeypatch.setattr(memory, "available_memory", lambda: 100_000)
    with pytest.raises(ModelUnavailableError, match="Choose a smaller model"):
        load_model(str(tiny_gguf))
    assert kept() == []
