"""Whatever a method stores comes back from a checkpoint, integers included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from compress_lib.compression.compress import compress_at_once
from compress_lib.matrices import CompressedMatrix
from compress_lib.methods import METHODS, build_method
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import total_bytes
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from tests.support.storages import CASES
from tests.support.tiny import tiny_model

IDS = torch.arange(40)[None]
NAMES = sorted(
    case
    for case, (name, options) in CASES.items()
    if not build_method(name, options).required_statistics and METHODS[name].families is None
)


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    """As the library runs models; with gradients torch multiplies in another order."""
    with torch.inference_mode():
        yield


@pytest.fixture(params=NAMES)
def method(request: pytest.FixtureRequest) -> str:
    """A method in one of its storages."""
    return str(request.param)


def compressed(model: LanguageModel, method: str) -> LanguageModel:
    name, options = CASES[method]
    keep = 1.0 if METHODS[name].fixed_size else 0.6
    plan = Plan(rules=(Rule(pattern="*", method=name, keep=keep, options=options),))
    return compress_at_once(model, allocate(plan, model.targets))[1]


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_saved_model_computes_the_same_bits(
    method: str, architecture: str, tmp_path: Path
) -> None:
    small = compressed(tiny_model(architecture), method)
    folder = save_compressed(small, tmp_path / "saved")
    stored = load_file(folder / "model.safetensors")
    assert sum(tensor.nbytes for tensor in stored.values()) == total_bytes(small)
    again = load_compressed(folder, device="cpu")
    expected = small.module(IDS).logits
    assert torch.equal(again.module(IDS).logits, expected)
    assert torch.isfinite(expected).all()


def test_transformers_saves_and_loads_it_alone(method: str, tmp_path: Path) -> None:
    small = compressed(tiny_model("llama"), method)
    small.module.save_pretrained(tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    state = again.state_dict()
    assert all(torch.equal(state[name], kept) for name, kept in small.module.state_dict().items())
    # Its tensors lie in the mapped file, where their alignment may round sums another way.
    assert torch.allclose(again(IDS).logits, small.module(IDS).logits, atol=1e-5)


def test_integers_stay_integers_in_another_type(method: str, tmp_path: Path) -> None:
    small = compressed(tiny_model("llama"), method)
    integers = {
        name: tensor
        for name, tensor in small.module.state_dict().items()
        if not tensor.is_floating_point()
    }
    folder = save_compressed(small, tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    state = again.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in integers.items())
    assert again(IDS).logits.dtype == torch.bfloat16


def test_nothing_dense_is_kept_beside_what_is_stored(method: str) -> None:
    small = compressed(tiny_model("llama"), method)
    small.module(IDS)
    for module in small.module.modules():
        if isinstance(module, CompressedMatrix):
            kept = [value for value in vars(module).values() if isinstance(value, torch.Tensor)]
            assert sum(tensor.numel() for tensor in kept) <= module.shape[0] + 1
