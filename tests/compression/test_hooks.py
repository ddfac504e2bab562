"""Gradients at outputs and at what is looked up, against autograd by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.compression.calibration.hooks import CLIP, _clip
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import CompressionError, StoppedError
from compress_lib.methods.statistics import (
    CURVATURES,
    Statistics,
    curvature_needs,
    stack_statistics,
)
from compress_lib.models.architecture import table_scale
from compress_lib.models.loading import LanguageModel
from compress_lib.utils.progress import Event, ignore
from tests.support.tiny import CONFIGURATIONS, tiny_model


def text(model: LanguageModel, count: int = 2, length: int = 30) -> Calibration:
    made = torch.Generator().manual_seed(7)
    size = model.module.config.vocab_size
    return Calibration.from_blocks(
        tuple(torch.randint(size, (length,), generator=made) for _ in range(count))
    )


def output_gradients(model: LanguageModel, path: str, block: Tensor) -> Tensor:
    """Return ∂NLL/∂output of a module `[tokens, rows]`."""
    seen: list[Tensor] = []

    def begin(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        output = output.detach().requires_grad_()
        seen.append(output)
        return output

    with torch.enable_grad():
        handle = model.module.get_submodule(path).register_forward_hook(begin)
        logits = model.module(block[None]).logits[0, :-1]
        handle.remove()
        loss = nn.functional.cross_entropy(logits, block[1:], reduction="sum")
        (found,) = torch.autograd.grad(loss, seen)
    return found.flatten(0, -2)


def expected_moment(model: LanguageModel, path: str, given: Calibration) -> Tensor:
    parts = [_clip(output_gradients(model, path, block)) for block in given.input_blocks]
    g = torch.cat(parts).double()
    return g.T @ g / len(g)


def test_one_block_can_be_stopped_at_every_layer_forth_and_back() -> None:
    model = tiny_model()
    names = [site.target.name for site in model.sites if site.target.family == "ffn_out"]
    needs = {name: {"second_moment", "output_gradient"} for name in names}
    looks = 0

    def count(event: Event) -> None:
        nonlocal looks
        looks += 1
        if looks == last:
            raise StoppedError

    last = -1
    collect_statistics(model, needs, text(model, count=1, length=20), count)
    assert looks >= 2 * len(names)
    for last in range(1, looks + 1):
        looks = 0
        with pytest.raises(StoppedError):
            collect_statistics(model, needs, text(model, count=1, length=20 + last), count)
        assert looks == last


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
@pytest.mark.parametrize("family", ["value", "attention_output", "ffn_out"])
def test_output_gradients_are_those_of_the_summed_loss(architecture: str, family: str) -> None:
    model = tiny_model(architecture)
    site = next(site for site in model.sites if site.target.family == family)
    if len(site.sizes) > 1:
        pytest.skip("a part of a fused weight has no output of its own")
    given = text(model)
    name = site.target.name
    found = collect_statistics(model, {name: {"output_gradient"}}, given)[name].require(
        "output_gradient"
    )
    expected = expected_moment(model, site.modules[0], given)
    assert torch.allclose(found.double(), expected, rtol=1e-3, atol=1e-9)


def test_parts_of_a_fused_weight_get_their_own_rows() -> None:
    model = tiny_model("gpt2")
    sites = [site for site in model.sites if site.target.layer == 0 and len(site.sizes) > 1]
    given = text(model, count=1)
    found = collect_statistics(model, {s.target.name: {"output_gradient"} for s in sites}, given)
    whole = output_gradients(model, sites[0].modules[0], given.input_blocks[0])
    for site, part in zip(sites, whole.split(list(sites[0].sizes), dim=1), strict=True):
        g = _clip(part).double()
        seen = found[site.target.name].require("output_gradient").double()
        assert torch.allclose(seen, g.T @ g / len(g), rtol=1e-3, atol=1e-9)


def test_a_table_tells_of_both_its_ends() -> None:
    model = tiny_model("llama")
    target = next(target for target in model.targets if target.family == "embedding")
    assert target.tied
    given = text(model)
    found = collect_statistics(model, {target.name: curvature_needs(target)}, given)[target.name]
    assert torch.allclose(
        found.require("lookup_gradient").double(),
        expected_moment(model, "model.embed_tokens", given),
        rtol=1e-3,
        atol=1e-9,
    )
    p = torch.cat([model.module(b[None]).logits[0, :-1] for b in given.input_blocks]).softmax(-1)
    variance = (p * (1 - p)).mean(0)
    assert torch.allclose(found.require("logit_variance"), variance, rtol=1e-3)


def test_the_scale_of_a_table_is_part_of_what_a_row_costs() -> None:
    model = tiny_model("gemma3")
    target = next(target for target in model.targets if target.family == "embedding")
    given = text(model)
    found = collect_statistics(model, {target.name: {"lookup_gradient"}}, given)[target.name]
    at_output = expected_moment(model, target.names[0], given)
    scale = table_scale(model.module.get_input_embeddings())
    assert scale is not None and scale > 1
    seen = found.require("lookup_gradient").double()
    assert torch.allclose(seen, scale**2 * at_output, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("architecture", sorted(CONFIGURATIONS))
def test_every_target_of_every_architecture_tells_its_curvature(architecture: str) -> None:
    model = tiny_model(architecture)
    needs = {target.name: curvature_needs(target) for target in model.targets}
    found = collect_statistics(model, needs, text(model, count=1))
    for target in model.targets:
        for kind in curvature_needs(target) - {"row_counts"}:
            value = found[target.name].require(kind)
            rows, cols = target.shape
            sizes = {"output_gradient": (rows, rows), "logit_variance": (rows,)}
            assert value.shape == sizes.get(kind, (cols, cols))
            assert bool(torch.isfinite(value).all())


def test_inputs_are_the_same_with_and_without_gradients() -> None:
    model = tiny_model()
    name = next(target.name for target in model.targets if target.family == "key")
    given = text(model)
    alone = collect_statistics(model, {name: {"second_moment"}}, given)[name].require(
        "second_moment"
    )
    other = text(model)
    # Another home, so that the second is gathered and not found.
    from compress_lib.compression.calibration.hooks import collect_sums

    both = collect_sums(
        model,
        {"second_moment": {name}, "output_gradient": {name}},
        other,
        ignore,
    )
    assert torch.allclose(alone, both[name]["second_moment"], rtol=1e-4, atol=1e-7)


def test_a_surprising_token_counts_at_most_ten_times_the_usual() -> None:
    gradients = torch.ones(1000, 4)
    gradients[0] *= 1e6
    gradients[1] = 0
    norms = _clip(gradients).norm(dim=1)
    # A token without a gradient, such as the last of a text, says nothing of what is usual.
    usual = gradients.norm(dim=1).sum() / 999
    assert float(norms[0]) == pytest.approx(CLIP[1] * float(usual), rel=1e-4)
    assert float(norms[1]) == 0
    assert float(norms[2]) == pytest.approx(CLIP[0] * float(usual), rel=1e-4)


def test_gradients_of_layers_in_a_stack_are_not_mixed() -> None:
    parts = [Statistics(output_gradient=torch.full((2, 2), float(i))) for i in (1, 2)]
    found = stack_statistics(parts).require("output_gradient")
    assert torch.equal(found, torch.stack([torch.ones(2, 2), torch.full((2, 2), 2.0)]))
    parts[1] = Statistics(output_gradient=torch.full((3, 3), 2.0))
    found = stack_statistics(parts).require("output_gradient")
    assert torch.equal(found[:2, :2], torch.ones(2, 2))
    assert not found[:2, 2:].any()


def test_the_model_learns_nothing_by_being_observed() -> None:
    model = tiny_model()
    names = [target.name for target in model.targets if target.family not in ("embedding",)]
    collect_statistics(model, {name: {"output_gradient"} for name in names}, text(model))
    assert all(p.grad is None and not p.requires_grad for p in model.module.parameters())
    assert not any(module._forward_hooks for module in model.module.modules())


def test_a_table_that_is_only_looked_up_has_no_outputs() -> None:
    model = tiny_model("llama_untied")
    name = next(target.name for target in model.targets if target.family == "embedding")
    with pytest.raises(CompressionError, match="only looked up"):
        collect_statistics(model, {name: {CURVATURES[0]}}, text(model))
