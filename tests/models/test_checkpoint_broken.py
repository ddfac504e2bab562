"""Saving where there is no room, over what is not ours, and loading what is not a checkpoint."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError

from compress_lib.errors import CompressionError, ModelUnavailableError, StoppedError
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.loading import LanguageModel
from tests.support.compressed import compressed, randomised
from tests.support.tiny import save_tiny

FULL = OSError(errno.ENOSPC, "No space left on device")
FULL_BY_SAFETENSORS = SafetensorError("I/O error: No space left on device (os error 28)")


def snapshot(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


# No room.


@pytest.mark.parametrize("error", [FULL, FULL_BY_SAFETENSORS])
@pytest.mark.parametrize("replacing", [False, True])
def test_a_full_disk_leaves_all_as_it_was(
    llama: LanguageModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    replacing: bool,
) -> None:
    if replacing:
        save_compressed(compressed(llama), tmp_path / "saved")
    before = snapshot(tmp_path)

    def half_written(tensors: Any, file: Path, **more: object) -> None:
        file.write_bytes(b"half")
        raise error

    monkeypatch.setattr(safetensors.torch, "save_file", half_written)
    with pytest.raises(CompressionError, match=r"The disk is full: .*saved could not be saved"):
        save_compressed(randomised(llama), tmp_path / "saved")
    assert snapshot(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == (["saved"] if replacing else [])


def test_a_failure_at_the_last_moment_brings_the_old_one_back(
    llama: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_compressed(compressed(llama), tmp_path / "saved")
    before = snapshot(tmp_path)
    move = Path.replace

    def replace(source: Path, goal: Path) -> Path:
        if goal == folder and (source / "config.json").exists() and source.name != folder.name:
            raise FULL
        return move(source, goal)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(CompressionError, match="The disk is full"):
        save_compressed(randomised(llama), folder)
    assert snapshot(tmp_path) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_too_little_room_is_seen_before_any_work(
    llama: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(1000))
    with pytest.raises(CompressionError, match=r"needs 20 MB .* 1 kB are free.*choose a folder"):
        save_compressed(compressed(llama), tmp_path / "new" / "saved")
    assert not any(tmp_path.iterdir())


def test_stopping_leaves_nothing(
    llama: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object, **more: object) -> None:
        raise StoppedError

    monkeypatch.setattr(safetensors.torch, "save_file", stop)
    with pytest.raises(StoppedError):
        save_compressed(compressed(llama), tmp_path / "saved")
    assert not any(tmp_path.iterdir())


# Other people's files.


def test_an_older_checkpoint_is_replaced_whole(llama: LanguageModel, tmp_path: Path) -> None:
    folder = save_compressed(compressed(llama), tmp_path / "saved")
    (folder / "left-over.json").write_text("{}", encoding="utf-8")
    small = randomised(llama)
    assert save_compressed(small, folder) == folder
    assert not (folder / "left-over.json").exists()
    again, ids = load_compressed(folder, device="cpu"), torch.arange(20)[None]
    assert torch.equal(again.module(ids).logits, small.module(ids).logits)
    assert list(tmp_path.iterdir()) == [folder]


def test_everybody_can_read_it(llama: LanguageModel, tmp_path: Path) -> None:
    folder = save_compressed(compressed(llama), tmp_path / "saved")
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in [folder, *folder.iterdir()])


def test_an_empty_folder_is_used(llama: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    save_compressed(compressed(llama), tmp_path / "saved")
    load_compressed(tmp_path / "saved", device="cpu")


def test_what_is_not_ours_is_never_deleted(llama: LanguageModel, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "novel.txt").touch()
    save_tiny(tmp_path / "ordinary")
    before = snapshot(tmp_path)
    for place in ("documents", "documents/novel.txt", "ordinary", "."):
        with pytest.raises(
            CompressionError, match="other files, which saving a checkpoint there would"
        ):
            save_compressed(compressed(llama), tmp_path / place)
    assert snapshot(tmp_path) == before


def test_a_place_below_a_file_is_refused(llama: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(CompressionError, match=r"cannot be written \("):
        save_compressed(compressed(llama), tmp_path / "file" / "saved")
    with pytest.raises(CompressionError, match=r"cannot be written \("):
        save_compressed(compressed(llama), tmp_path / ("long" * 100))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# Not a checkpoint.


@pytest.mark.parametrize(
    "content",
    [
        *(None, "", "{", "[]", "null", "7", b"\xff\xfe\x00"),
        '{"quantization_config": 3}',
        '{"quantization_config": {"quant_method": "gptq"}}',
    ],
)
def test_a_folder_that_is_not_ours_gets_one_sentence(
    tmp_path: Path, content: str | bytes | None
) -> None:
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "config.json").write_bytes(data)
    with pytest.raises(ModelUnavailableError, match="not a checkpoint of Compression Lab"):
        load_compressed(tmp_path)
    with pytest.raises(ModelUnavailableError, match="not a checkpoint of Compression Lab"):
        load_compressed(tmp_path / "config.json")


def test_an_ordinary_checkpoint_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="Use load_model"):
        load_compressed(save_tiny(tmp_path / "model"))


@pytest.fixture
def folder(llama: LanguageModel, tmp_path: Path) -> Path:
    return save_compressed(compressed(llama), tmp_path / "saved")


def spoil_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def drop_a_factor(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    del tensors["model.embed_tokens.matrix.right"]
    safetensors.torch.save_file(tensors, file, metadata={"format": "pt"})


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_weights,
        drop_a_factor,
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "tokenizer.json").write_text("{", encoding="utf-8"),
    ],
)
def test_a_damaged_checkpoint_gets_one_sentence(
    folder: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(folder)
    with pytest.raises(ModelUnavailableError, match="tiny-llama could not be loaded"):
        load_compressed(folder, device="cpu")


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a checkpoint says about itself."""
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    change(config["quantization_config"])
    file.write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"form": "no_such_form"},
        {"rank": -1},
        {"rank": "three"},
        {"rank": 9},
        {"shape": [320]},
        {"shape": None},
        {"dtype": "float17"},
    ],
)
def test_a_description_that_does_not_fit_gets_one_sentence(
    folder: Path, change: dict[str, Any]
) -> None:
    path = "model.layers.0.mlp.up_proj"
    rewrite(folder, lambda ours: ours["modules"][path]["parts"][0].update(change))
    with pytest.raises(ModelUnavailableError, match="tiny-llama could not be loaded"):
        load_compressed(folder, device="cpu")


def test_a_module_that_the_model_does_not_have_is_named(folder: Path) -> None:
    path, missing = "model.layers.0.mlp.up_proj", "model.layers.7.mlp.up_proj"
    rewrite(folder, lambda ours: ours["modules"].update({missing: ours["modules"].pop(path)}))
    with pytest.raises(ModelUnavailableError, match=missing):
        load_compressed(folder, device="cpu")


def test_a_broken_origin_is_no_reason_to_fail(folder: Path) -> None:
    rewrite(folder, lambda ours: ours.update(provenance="nowhere"))
    moved = shutil.move(folder, folder.parent / "moved")
    assert load_compressed(moved, device="cpu").id == "moved"
