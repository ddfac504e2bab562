"""Replacing weights in a clone: exact where nothing is lost, and never seen by the original."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from compress_lib.compression.stacking import with_matrices
from compress_lib.matrices import CompressedMatrix, DenseMatrix
from compress_lib.models.architecture import WeightLocation, find_weights
from compress_lib.models.layers import CompressedEmbedding, CompressedLinear
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import clone, install, read_weight
from tests.support.compressed import compressed, random_factors, randomised
from tests.support.tiny import tiny_model, tiny_module

IDS = torch.arange(40)[None]


def as_they_are(model: LanguageModel) -> dict[str, CompressedMatrix]:
    return {
        site.target.name: DenseMatrix.from_weight(read_weight(model.module, site, torch.float32))
        for site in model.sites
    }


def whole_numbers(module: nn.Module) -> None:
    """Fill a model with small whole numbers, whose sums are exact in any order."""
    made = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        drawn = torch.randint(-4, 5, parameter.shape, generator=made)
        parameter.data.copy_(drawn.float())


def test_weights_put_back_as_they_are_give_the_same_logits(any_model: LanguageModel) -> None:
    again = with_matrices(any_model, as_they_are(any_model))
    expected, found = any_model.module(IDS).logits, again.module(IDS).logits
    # A fused weight is multiplied in three pieces, and a bias may be added in another order.
    assert torch.allclose(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    plain = not any(name.endswith("bias") for name, _ in any_model.module.named_parameters())
    assert not plain or torch.equal(found, expected)


def test_every_layer_put_back_is_exact_to_the_last_bit(any_model: LanguageModel) -> None:
    whole_numbers(any_model.module)
    again = with_matrices(any_model, as_they_are(any_model))
    for path in {path for site in any_model.sites for path in site.modules}:
        old, new = any_model.module.get_submodule(path), again.module.get_submodule(path)
        assert isinstance(new, CompressedEmbedding | CompressedLinear)
        if isinstance(new, CompressedEmbedding):
            assert torch.equal(new(IDS), old(IDS))
        else:
            x = torch.randint(-8, 9, (2, 7, new.in_features)).float()
            assert torch.equal(new(x), old(x))
            assert new.weight.shape == (new.out_features, new.in_features)
            assert torch.equal(new(x), nn.functional.linear(x, new.weight, new.bias))


def test_biases_are_kept_and_shared_not_copied() -> None:
    for name in ("gpt2", "gpt_neox", "opt", "qwen2"):
        model = tiny_model(name)
        changed = randomised(model)
        biases = 0
        for path in {path for site in model.sites for path in site.modules}:
            bias = getattr(model.module.get_submodule(path), "bias", None)
            assert getattr(changed.module.get_submodule(path), "bias", None) is bias
            biases += bias is not None
        assert biases


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_gemmas_embedding_stays_scaled(dtype: torch.dtype) -> None:
    module = tiny_module("gemma3")
    nn.Module.to(module, dtype)
    site = find_weights(module, 2)[0]
    changed = clone(module)
    matrix = DenseMatrix.from_weight(read_weight(module, site, dtype))
    install(changed, [site], {site.target.name: matrix}, dtype)
    table = changed.get_input_embeddings()
    assert isinstance(table, CompressedEmbedding)
    # The scale itself is not that of a buffer which was rounded with the weights.
    assert table.scale == 32**0.5
    # The original multiplies by the scale in the type of the weights.
    weight = module.get_parameter("model.embed_tokens.weight")
    expected = weight[IDS] * torch.tensor(32**0.5).to(dtype)
    assert torch.equal(table(IDS), expected)
    assert torch.equal(module.get_input_embeddings()(IDS), expected)


def test_both_ends_of_a_tie_read_one_matrix(any_model: LanguageModel) -> None:
    site = any_model.sites[0]
    matrix = random_factors(site.target.shape)
    changed = with_matrices(any_model, {site.target.name: matrix})
    table = changed.module.get_input_embeddings()
    head = changed.module.get_output_embeddings()
    assert isinstance(table, CompressedEmbedding)
    assert table.matrix is matrix
    assert (isinstance(head, CompressedLinear) and head.parts[0] is matrix) == site.target.tied
    assert type(head) is nn.Linear or site.target.tied


def test_a_clone_has_its_own_modules_and_the_same_tensors(any_model: LanguageModel) -> None:
    original = any_model.module
    copied = clone(original)
    ours, theirs = dict(copied.named_modules()), dict(original.named_modules())
    assert ours.keys() == theirs.keys()
    assert not any(ours[name] is theirs[name] for name in ours)
    tensors = [*original.named_parameters(), *original.named_buffers()]
    copies = dict([*copied.named_parameters(), *copied.named_buffers()])
    assert len(copies) == len(tensors)
    assert all(copies[name] is tensor for name, tensor in tensors)
    assert copied.config is not original.config


def test_nothing_done_to_the_compressed_model_reaches_the_loaded_one(
    any_model: LanguageModel,
) -> None:
    """The papers' code wrote reconstructed weights into tensors that it shared.

    Its methods then reported the perplexity of the original, or of each other.
    """
    before = copy.deepcopy(any_model.module.state_dict())
    logits = any_model.module(IDS).logits
    first, second = compressed(any_model, keep=0.5), randomised(any_model)
    changed = first.module(IDS).logits
    assert not torch.allclose(changed, logits, atol=1e-2)
    assert not torch.allclose(second.module(IDS).logits, changed, atol=1e-2)
    for module in second.module.modules():
        if isinstance(module, CompressedMatrix):
            for tensor in module.state_dict(keep_vars=True).values():
                tensor.data.zero_()
    assert torch.equal(any_model.module(IDS).logits, logits)
    assert torch.equal(first.module(IDS).logits, changed)
    after = any_model.module.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not hasattr(any_model.module.config, "quantization_config")


def test_a_weight_is_read_as_a_copy_in_the_checkpoints_type(any_model: LanguageModel) -> None:
    logits = any_model.module(IDS).logits
    for site in any_model.sites:
        weight = read_weight(any_model.module, site, torch.float16)
        assert weight.dtype == torch.float16
        assert weight.shape == site.target.shape
        assert weight.is_contiguous()
        weight.zero_()
        read_weight(any_model.module, site, torch.float32).zero_()
    assert torch.equal(any_model.module(IDS).logits, logits)


def test_a_compressed_model_offers_only_what_is_left(llama: LanguageModel) -> None:
    left = compressed(llama, "query@0").targets
    assert {t.name for t in llama.targets} - {t.name for t in left} == {
        "model.layers.0.self_attn.q_proj"
    }
    names: list[WeightLocation] = compressed(llama).sites
    assert names == []
