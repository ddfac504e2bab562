"""A loaded model: its device, its types, and folders that are not what they seem."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from compress_lib.errors import CompressionError, ModelUnavailableError
from compress_lib.models.loading import LanguageModel, choose_device, load_folder, load_model
from compress_lib.models.sources import Weights
from tests.support.tiny import save_tiny, tiny_model, tiny_module, tiny_tokenizer

CPU = torch.device("cpu")
IDS = torch.arange(20)[None]


def load(folder: Path) -> LanguageModel:
    return load_folder(Weights(str(folder), "a test", "r1"), "tiny", CPU)


# Devices.


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "best"),
    [(False, False, "cpu"), (True, False, "cuda"), (False, True, "mps"), (True, True, "cuda")],
)
def test_the_best_device_is_found(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, best: str
) -> None:
    pretend(monkeypatch, cuda=cuda, mps=mps)
    assert choose_device() == torch.device(best)
    assert choose_device("auto") == torch.device(best)
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda:99", "cuda:-1", "cuda:x", "mps:7", "auto:1"])
def test_a_device_that_is_not_here_gets_a_sentence(name: str) -> None:
    with pytest.raises(CompressionError, match=f"no usable device '{name}'; use 'cpu', or 'auto'"):
        choose_device(name)


@pytest.mark.parametrize(("name", "nearest"), [("cpuu", "cpu"), ("cudda", "cuda"), ("CPU", None)])
def test_an_unknown_device_is_told_the_nearest(name: str, nearest: str | None) -> None:
    hint = f" Did you mean '{nearest}'" if nearest else " Allowed: auto, cpu, cuda, mps"
    with pytest.raises(CompressionError, match=f"Unknown device '{name}'.{hint}"):
        choose_device(name)


# What a model knows of itself.


def test_ties_are_counted_once(any_model: LanguageModel) -> None:
    shared = {id(p): p.numel() for p in any_model.module.parameters()}
    assert any_model.parameters == sum(shared.values())


def test_a_model_says_how_much_it_reads() -> None:
    model = tiny_model("gpt2")
    assert model.max_context == 128
    model.module.config.max_position_embeddings = None
    assert model.max_context is None


def test_a_model_is_not_changed_by_assignment(llama: LanguageModel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        llama.id = "other"  # type: ignore[misc]
    # Another module has other sites, whatever was looked up before.
    assert llama.sites
    other = dataclasses.replace(llama, module=tiny_module("gpt2"))
    assert len(other.sites) != len(llama.sites)


# Folders.


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_checkpoint_is_computed_wide_and_remembered_as_it_is_stored(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    module = tiny_module()
    torch.nn.Module.to(module, dtype)
    module.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model = load(tmp_path)
    assert model.dtype == dtype
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float32}
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    state = module.state_dict()
    assert all(torch.equal(t, state[n].float()) for n, t in model.module.state_dict().items())
    assert (model.source, model.revision, model.id) == ("a test", "r1", "tiny")


def test_the_type_is_that_of_most_weights(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    mixed = {name: t.float() if t.dim() == 1 else t for name, t in tensors.items()}
    save_file(mixed, file, metadata={"format": "pt"})
    assert load(tmp_path).dtype == torch.float16


def test_every_architecture_loads_to_the_same_logits(
    any_model: LanguageModel, tmp_path: Path
) -> None:
    save_tiny(tmp_path, any_model.id.removeprefix("tiny-"))
    assert torch.equal(load(tmp_path).module(IDS).logits, any_model.module(IDS).logits)


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[tuple[float, str]] = []
    folder = save_tiny(tmp_path / "model")
    load_model(
        str(folder), device="cpu", report=lambda event: seen.append((event.fraction, event.message))
    )
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "model" in seen[-1][1]


def test_a_missing_device_is_told_before_anything_is_fetched() -> None:
    with pytest.raises(CompressionError, match="no usable device"):
        load_model("no such model at all", device="cuda:99")


def change_config(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        file = folder / "config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(config | changes), encoding="utf-8")

    return spoil


def change_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return spoil


SPOILT: dict[str, Callable[[Path], object]] = {
    "no configuration": lambda folder: (folder / "config.json").unlink(),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "no tokenizer": lambda folder: shutil.move(folder / "tokenizer.json", folder / "x.json"),
    "an unknown architecture": change_config(model_type="no-such-model"),
    "another width": change_config(hidden_size=64),
    "no width": change_config(hidden_size=0),
    "a width in words": change_config(hidden_size="wide"),
    "heads that do not divide": change_config(num_attention_heads=0),
    "a weight is missing": change_tensors(lambda t: t.pop("model.norm.weight")),
    "a weight of another shape": change_tensors(
        lambda t: t.update({"model.norm.weight": torch.ones(7)})
    ),
    "only whole numbers": change_tensors(
        lambda t: t.update({name: tensor.int() for name, tensor in t.items()})
    ),
    "cut off": lambda folder: (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{"),
    "not safetensors": lambda folder: (folder / "model.safetensors").write_text("weights"),
    "a pickle": lambda folder: shutil.move(
        folder / "model.safetensors", folder / "pytorch_model.bin"
    ),
    "remote code": change_config(
        model_type="evil", auto_map={"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}
    ),
}


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("how", sorted(SPOILT))
def test_a_folder_that_cannot_be_loaded_gets_one_sentence(tmp_path: Path, how: str) -> None:
    save_tiny(tmp_path)
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')\n", encoding="utf-8")
    SPOILT[how](tmp_path)
    with pytest.raises(
        ModelUnavailableError, match="^tiny could not be loaded as a causal"
    ) as told:
        load(tmp_path)
    assert "\n" not in str(told.value)
