"""Statistics from calibration text, against the plain computation of the same thing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from compress_lib.compression.calibration import collect
from compress_lib.compression.calibration.cache import StatisticsCache
from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import CompressionError, StoppedError
from compress_lib.methods.statistics import GATHERED
from compress_lib.models.architecture import WeightLocation
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import read_weight
from compress_lib.utils.files import home
from compress_lib.utils.progress import Event
from tests.support.tiny import CONFIGURATIONS, tiny_model, weight_of


def text(model: LanguageModel, count: int = 3, length: int = 40) -> Calibration:
    made = torch.Generator().manual_seed(5)
    size = model.module.config.vocab_size
    return Calibration.from_blocks(
        tuple(torch.randint(size, (length,), generator=made) for _ in range(count))
    )


def find(model: LanguageModel, family: str) -> str:
    return next(t.name for t in model.targets if t.family == family)


def nll(model: LanguageModel, block: Tensor) -> Tensor:
    logits = model.module(block[None]).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits, block[1:], reduction="none")


def total_nll(model: LanguageModel, block: Tensor) -> Tensor:
    return nll(model, block).sum()


def mean_probability(model: LanguageModel, block: Tensor) -> Tensor:
    return (-nll(model, block)).exp().mean()


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neox"])
@pytest.mark.parametrize("family", ["query", "key", "ffn_out"])
def test_moments_are_those_of_the_layers_inputs(architecture: str, family: str) -> None:
    model = tiny_model(architecture)
    given = text(model)
    name = find(model, family)
    site = next(s for s in model.sites if s.target.name == name)
    seen: list[Tensor] = []
    layer = model.module.get_submodule(site.modules[0])
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    for block in given.input_blocks:
        model.module(block[None])
    handle.remove()
    x = torch.cat(seen).double()
    found = collect_statistics(model, {name: {"second_moment", "mean"}}, given)[name]
    assert torch.allclose(
        found.require("second_moment").double(), x.T @ x / len(x), rtol=1e-4, atol=1e-6
    )
    assert torch.allclose(found.require("mean").double(), x.mean(0), atol=1e-5)


def test_query_key_and_value_are_read_once_and_agree() -> None:
    model = tiny_model()
    names = [find(model, family) for family in ("query", "key", "value")]
    found = collect_statistics(model, {name: {"second_moment"} for name in names}, text(model))
    first, *others = (found[name].require("second_moment") for name in names)
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("architecture", sorted(CONFIGURATIONS))
def test_fisher_rows_are_squared_gradients_example_by_example(architecture: str) -> None:
    model = tiny_model(architecture)
    given = text(model)
    names = [target.name for target in model.targets]
    found = collect_statistics(model, {name: {"fisher", "sensitivity"} for name in names}, given)
    site = model.sites[-2]
    squares = absolutes = torch.zeros(site.target.shape[0])
    weight = weight_of(model, site.modules[0])
    for block in given.input_blocks:
        gradient = _like(model, site, gradient_of(weight, partial(total_nll, model, block)))
        squares = squares + gradient.square().sum(1)
        absolutes = absolutes + gradient.abs().sum(1)
    statistics = found[site.target.name]
    assert torch.allclose(statistics.require("fisher"), squares, rtol=1e-3, atol=1e-7)
    assert torch.allclose(statistics.require("sensitivity"), absolutes, rtol=1e-3, atol=1e-7)


def gradient_of(weight: torch.nn.Parameter, value: Callable[[], Tensor]) -> Tensor:
    weight.requires_grad_(True)
    (found,) = torch.autograd.grad(value(), [weight])
    weight.requires_grad_(False)
    return found


def _like(model: LanguageModel, site: WeightLocation, gradient: Tensor) -> Tensor:
    """Lay a gradient out like the weight, by the library's own reading of a weight."""
    module = deepcopy(model.module)
    module.get_submodule(site.modules[0]).weight = torch.nn.Parameter(gradient)
    return read_weight(module, site, torch.float32)


def test_the_papers_variant_is_the_gradient_of_the_mean_probability() -> None:
    model = tiny_model()
    given = text(model, count=2)
    name = find(model, "value")
    weight = weight_of(model, name)
    expected = torch.zeros(weight.shape[0])
    for block in given.input_blocks:
        gradient = gradient_of(weight, partial(mean_probability, model, block))
        expected += gradient.square().sum(1)
    found = collect_statistics(model, {name: {"fisher_probability"}}, given)[name]
    assert torch.allclose(found.require("fisher_probability"), expected, rtol=1e-3)


def test_long_blocks_are_cut_into_examples() -> None:
    blocks = (torch.arange(300), torch.arange(129))
    assert [len(piece.ids) for piece in Calibration.from_blocks(blocks).fisher_examples] == [
        128,
        128,
        44,
        128,
    ]


def test_the_model_stays_as_it_was_and_no_hook_is_left() -> None:
    model = tiny_model()
    before = [parameter.clone() for parameter in model.module.parameters()]
    collect_statistics(
        model, {t.name: GATHERED - {"second_moment", "mean"} for t in model.targets}, text(model)
    )
    for parameter, old in zip(model.module.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
        assert not parameter.requires_grad and parameter.grad is None
    assert not any(module._forward_pre_hooks for module in model.module.modules())


def test_it_is_gathered_once_and_read_from_disk_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    given, name = text(model), find(model, "query")
    first = collect_statistics(model, {name: {"fisher"}}, given)[name].require("fisher")
    monkeypatch.setattr(collect, "_gradients", lambda *_: pytest.fail("gathered again"))
    second = collect_statistics(model, {name: {"fisher"}}, given)[name].require("fisher")
    assert torch.equal(first, second)


def test_another_model_or_text_is_not_taken_for_it() -> None:
    model, name = tiny_model(seed=1), find(tiny_model(), "query")
    first = collect_statistics(model, {name: {"fisher"}}, text(model))[name].require("fisher")
    other = collect_statistics(tiny_model(seed=2), {name: {"fisher"}}, text(model))[name].require(
        "fisher"
    )
    longer = collect_statistics(model, {name: {"fisher"}}, text(model, count=4))[name].require(
        "fisher"
    )
    assert not torch.equal(first, other) and not torch.equal(first, longer)


def test_a_broken_file_is_gathered_again() -> None:
    model, name = tiny_model(), find(tiny_model(), "query")
    first = collect_statistics(model, {name: {"fisher"}}, text(model))[name].require("fisher")
    for file in (home() / "statistics").rglob("*.safetensors"):
        Path(file).write_bytes(b"broken")
    again = collect_statistics(model, {name: {"fisher"}}, text(model))[name].require("fisher")
    assert torch.equal(first, again)


def test_what_was_not_used_for_longest_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress_lib.compression.calibration.cache.MOST_BYTES", 1)
    monkeypatch.setattr("compress_lib.compression.calibration.cache.RECENT_SECONDS", 0)
    model, name = tiny_model(), find(tiny_model(), "query")
    for count in (2, 3, 4):
        collect_statistics(model, {name: {"fisher"}}, text(model, count=count))
    assert len(list((home() / "statistics").iterdir())) == 1


def test_it_can_be_stopped() -> None:
    model, name = tiny_model(), find(tiny_model(), "query")

    def stop(event: Event) -> None:
        raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        collect_statistics(model, {name: {"fisher"}}, text(model), stop)


def test_a_table_that_is_only_looked_up_has_no_inputs() -> None:
    model = tiny_model("llama_untied")
    with pytest.raises(CompressionError, match="only looked up"):
        collect_statistics(model, {find(model, "embedding"): {"second_moment"}}, text(model))


def test_gradients_that_are_not_finite_are_an_error() -> None:
    model, name = tiny_model(), find(tiny_model(), "query")
    weight_of(model, name).data[0, 0] = float("nan")
    with pytest.raises(CompressionError, match="not finite"):
        collect_statistics(model, {name: {"fisher"}}, text(model))


def test_what_was_deleted_meanwhile_is_gathered_again() -> None:
    model = tiny_model()
    text = Calibration.from_blocks([torch.arange(40)])
    target = model.targets[1].name
    collect_statistics(model, {target: {"second_moment"}}, text)
    cache = StatisticsCache(model, text)
    assert cache.find(target, "second_moment") is not None
    shutil.rmtree(cache.folder)
    assert cache.find(target, "second_moment") is None
    cache.evict()
    assert not cache.folder.exists()
    collect_statistics(model, {target: {"second_moment"}}, text)
    assert cache.has(target, "second_moment")
