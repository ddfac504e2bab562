"""Where models keep their weights, held against what the models' own code does with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import AttentionInterface

from compress_lib.matrices import DenseMatrix
from compress_lib.models.architecture import WeightLocation, family_of, find_weights
from compress_lib.models.surgery import clone, install, read_weight
from tests.support.tiny import CONFIGURATIONS, tiny_module

BLOCK = ("query", "key", "value", "attention_output", "ffn_in", "ffn_out")
GATED = {"llama", "llama_untied", "qwen2", "gemma3"}
UNTIED = {"llama_untied", "gpt_neox"}
PARTS = ("query", "key", "value")
IDS = torch.arange(30)[None]


def noise(site: WeightLocation) -> DenseMatrix:
    made = torch.Generator().manual_seed(site.part)
    return DenseMatrix.from_weight(torch.randn(*site.target.shape, generator=made))


# Families and layers.


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_every_architecture_has_the_families_of_a_transformer(name: str) -> None:
    sites = find_weights(tiny_module(name), 2)
    block = [*BLOCK, "ffn_gate"] if name in GATED else list(BLOCK)
    expected: Counter[tuple[int | None, str]] = Counter(
        {(layer, family): 1 for layer in (0, 1) for family in block}
    )
    expected[(None, "embedding")] = 1
    if name in UNTIED:
        expected[(None, "head")] = 1
    assert Counter((site.target.layer, site.target.family) for site in sites) == expected


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_queries_keys_and_values_know_the_size_of_a_head(name: str) -> None:
    for site in find_weights(tiny_module(name), 2):
        assert site.target.head_dim == (8 if site.target.family in PARTS else None)


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_every_matrix_is_a_target_but_position_tables(name: str) -> None:
    model = tiny_module(name)
    matrices = sum(p.numel() for p in model.parameters() if p.dim() == 2)
    positions = {"gpt2": 128 * 32, "opt": 130 * 32}.get(name, 0)
    targets = [site.target for site in find_weights(model, 2)]
    assert sum(t.shape[0] * t.shape[1] for t in targets) == matrices - positions
    assert all(t.nbytes == 2 * t.shape[0] * t.shape[1] for t in targets)
    assert not any("position" in n or "wpe" in n for t in targets for n in t.names)


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_a_tied_pair_is_one_target_with_two_names(name: str) -> None:
    model = tiny_module(name)
    first = find_weights(model, 2)[0].target
    assert first.family == "embedding"
    assert first.shape == (320, 32)
    assert first.tied == (name not in UNTIED)
    modules = [model.get_submodule(path) for path in first.names]
    assert model.get_input_embeddings() in modules
    assert (model.get_output_embeddings() in modules) == first.tied


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("bert.encoder.layer.3.attention.self.query", "query"),
        ("bert.encoder.layer.3.attention.output.dense", "attention_output"),
        ("bert.encoder.layer.3.intermediate.dense", "ffn_in"),
        ("bert.encoder.layer.3.output.dense", "ffn_out"),
        ("distilbert.transformer.layer.0.attention.k_lin", "key"),
        ("distilbert.transformer.layer.0.attention.out_lin", "attention_output"),
        ("distilbert.transformer.layer.0.ffn.lin1", "ffn_in"),
        ("distilbert.transformer.layer.0.ffn.lin2", "ffn_out"),
        ("transformer.h.0.attn.attention.out_proj", "attention_output"),
        ("transformer.h.0.mlp.fc_in", "ffn_in"),
        ("model.layers.0.mlp.gate_up_proj", "ffn_in"),
        ("transformer.h.0.self_attention.query_key_value", "other"),
        ("transformer.h.0.attn.c_attn", "other"),
        ("model.layers.0.something.else", "other"),
    ],
)
def test_a_path_tells_the_family(path: str, family: str) -> None:
    assert family_of(path) == family


# Fused weights and turned ones.


@pytest.fixture
def spy() -> Iterator[list[dict[str, Tensor]]]:
    """Registers an attention that notes what it is given as query, key and value."""
    from transformers import AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    seen: list[dict[str, Tensor]] = []

    def attend(
        module: Any, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **more: Any
    ) -> Any:
        seen.append({"query": query.clone(), "key": key.clone(), "value": value.clone()})
        return sdpa_attention_forward(module, query, key, value, *rest, **more)

    AttentionInterface.register("spy", attend)
    AttentionMaskInterface.register("spy", sdpa_mask)
    yield seen


SMALL: dict[str, Any] = {
    "vocab_size": 320,
    "n_embd": 48,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 128,
}
FUSED: dict[str, Callable[[], transformers.PreTrainedConfig]] = {
    **CONFIGURATIONS,
    "one key for all heads": lambda: transformers.GPTBigCodeConfig(**SMALL, multi_query=True),
    "Linear by head": lambda: transformers.GPTBigCodeConfig(**SMALL, multi_query=False),
    "fused grouped queries": lambda: transformers.Phi3Config(
        vocab_size=320, hidden_size=48, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, pad_token_id=0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FUSED))
def test_replacing_one_of_query_key_and_value_changes_that_one_only(
    name: str, spy: list[dict[str, Tensor]]
) -> None:
    config = FUSED[name]()
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="spy")
    model.eval().requires_grad_(False)
    model(IDS)
    before = spy[0]
    sites = [site for site in find_weights(model, 2) if site.target.layer == 0]
    for site in (site for site in sites if site.target.family in PARTS):
        changed = clone(model)
        install(changed, sites, {site.target.name: noise(site)}, torch.float32)
        spy.clear()
        changed(IDS)
        differs = {part for part in PARTS if not torch.equal(spy[0][part], before[part])}
        assert differs == {site.target.family}


def test_parts_of_a_contiguous_weight_are_what_gpt2_splits_off() -> None:
    model = tiny_module("gpt2")
    attention = model.get_submodule("transformer.h.1.attn")
    x = torch.randn(1, 5, 32)
    fused = attention.get_submodule("c_attn")
    # GPT2Attention.forward: split the last dimension in pieces as wide as the model.
    found = (fused(x) - fused(torch.zeros(1, 5, 32))).split(attention.split_size, dim=2)
    sites = {s.target.name: s for s in find_weights(model, 2)}
    for part, expected in zip(PARTS, found, strict=True):
        weight = read_weight(model, sites[f"transformer.h.1.attn.c_attn.{part}"], torch.float32)
        assert torch.allclose(x @ weight.T, expected, atol=1e-5)


def test_parts_of_an_interleaved_weight_are_what_gpt_neox_chunks() -> None:
    model = tiny_module("gpt_neox")
    fused = model.get_submodule("gpt_neox.layers.1.attention.query_key_value")
    x = torch.randn(1, 5, 32)
    # GPTNeoXAttention.forward: view by head, then three chunks of every head.
    by_head = (fused(x) - fused(torch.zeros(1, 5, 32))).view(1, 5, 4, 24).transpose(1, 2)
    sites = {s.target.family: s for s in find_weights(model, 2) if s.target.layer == 1}
    for part, expected in zip(PARTS, by_head.chunk(3, dim=-1), strict=True):
        weight = read_weight(model, sites[part], torch.float32)
        heads = (x @ weight.T).view(1, 5, 4, 8).transpose(1, 2)
        assert torch.allclose(heads, expected, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        # Codegen cuts its fused weight into four blocks of query, value, key.
        transformers.CodeGenConfig(**SMALL | {"n_embd": 64}, n_ctx=128, rotary_dim=8),
        # Cross-attention has no queries in its fused weight.
        transformers.GPT2Config(**SMALL, add_cross_attention=True),
    ],
)
def test_a_fused_weight_of_another_layout_stays_whole(
    config: transformers.PreTrainedConfig,
) -> None:
    model = transformers.AutoModelForCausalLM.from_config(config)
    fused = ("attn.qkv_proj", "crossattention.c_attn")
    sites = [s for s in find_weights(model, 2) if s.target.name.endswith(fused)]
    assert len(sites) == 2
    assert all(site.target.family == "other" and not site.part for site in sites)


def test_conv1d_weights_are_turned_into_the_layout_of_linears() -> None:
    model = tiny_module("gpt2")
    site = next(s for s in find_weights(model, 2) if s.target.name == "transformer.h.0.mlp.c_fc")
    assert site.target.shape == (128, 32)
    layer = model.get_submodule("transformer.h.0.mlp.c_fc")
    weight = read_weight(model, site, torch.float32)
    x = torch.randn(3, 32)
    expected = torch.nn.functional.linear(x, weight, layer.bias)  # type: ignore[arg-type]
    assert torch.allclose(layer(x), expected, atol=1e-5)
