"""Masked models from loading to saving: which weights they have, and that they come back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForMaskedLM

from compress_lib.compression.stacking import with_matrices
from compress_lib.evaluation.memory import compare_memory
from compress_lib.matrices import DenseMatrix
from compress_lib.models.architecture import find_weights
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.kinds import lm_kind
from compress_lib.models.layers import CompressedEmbedding, CompressedLinear
from compress_lib.models.loading import LanguageModel, load_model
from compress_lib.models.stored_tensors import total_bytes
from compress_lib.models.surgery import clone, install
from tests.support.compressed import compressed, random_factors, randomised
from tests.support.tiny import CONFIGURATIONS, MASKED, save_tiny, tiny_model, tiny_module

IDS = torch.arange(3, 40)[None]
BLOCK = ("query", "key", "value", "attention_output", "ffn_in", "ffn_out")


@pytest.fixture(params=sorted(MASKED))
def masked(request: pytest.FixtureRequest) -> LanguageModel:
    """Each masked architecture in turn."""
    return tiny_model(request.param)


def logits(model: LanguageModel) -> torch.Tensor:
    found: torch.Tensor = model.module(IDS).logits
    return found


# Loading.


@pytest.mark.parametrize("name", sorted(MASKED))
def test_a_masked_checkpoint_loads_as_one(name: str, tmp_path: Path) -> None:
    model = load_model(str(save_tiny(tmp_path / "model", name)), device="cpu")
    assert model.kind == "masked"
    assert type(model.module).__name__.endswith("ForMaskedLM")
    assert torch.equal(logits(model), logits(tiny_model(name)))


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (transformers.BertConfig(architectures=["BertForMaskedLM"]), "masked"),
        (transformers.BertConfig(architectures=["BertForPreTraining"]), "masked"),
        (transformers.BertConfig(architectures=["BertLMHeadModel"], is_decoder=True), "causal"),
        (transformers.RobertaConfig(architectures=["RobertaForCausalLM"]), "causal"),
        (transformers.DistilBertConfig(), "masked"),
        (transformers.ModernBertConfig(architectures=None), "masked"),
        (transformers.GPT2Config(architectures=["GPT2LMHeadModel"]), "causal"),
        (transformers.LlamaConfig(), "causal"),
    ],
)
def test_the_configuration_tells_the_kind(config: transformers.PreTrainedConfig, kind: str) -> None:
    assert lm_kind(config) == kind


def test_causal_models_stay_causal() -> None:
    assert {tiny_model(name).kind for name in CONFIGURATIONS} == {"causal"}


def test_a_checkpoint_of_the_first_years_loads(tmp_path: Path) -> None:
    """Other heads beside, norms under their old names, the tied weight stored once."""
    folder = save_tiny(tmp_path, "bert")
    file = folder / "model.safetensors"
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in load_file(file).items()
    }
    tensors["bert.pooler.dense.weight"] = torch.zeros(32, 32, dtype=torch.float16)
    tensors["cls.seq_relationship.bias"] = torch.zeros(2, dtype=torch.float16)
    save_file(tensors, file, metadata={"format": "pt"})
    model = load_model(str(folder), device="cpu")
    assert torch.equal(logits(model), logits(tiny_model("bert")))


def test_positions_that_padding_takes_are_no_context(masked: LanguageModel) -> None:
    assert masked.max_context == 128
    limit = masked.max_context
    assert masked.module(torch.full((1, limit), 5)).logits.shape[1] == limit
    if masked.id in ("tiny-bert", "tiny-roberta", "tiny-distilbert"):
        with pytest.raises((IndexError, RuntimeError)):
            masked.module(torch.full((1, limit + 1), 5))


# Weights.


def test_every_family_is_found(masked: LanguageModel) -> None:
    expected: Counter[tuple[int | None, str]] = Counter(
        {(layer, family): 1 for layer in (0, 1) for family in BLOCK}
    )
    expected[(None, "embedding")] = 1
    # The dense layer of the head is none of the block's.
    expected[(None, "other")] = 1
    assert Counter((t.layer, t.family) for t in masked.targets) == expected


def test_the_decoder_is_tied_to_the_embedding(masked: LanguageModel) -> None:
    first = masked.targets[0]
    assert (first.family, first.shape, first.tied) == ("embedding", (320, 32), True)
    ends = [masked.module.get_input_embeddings(), masked.module.get_output_embeddings()]
    assert [masked.module.get_submodule(name) for name in first.names] == ends


def test_only_position_and_type_tables_are_left_out(masked: LanguageModel) -> None:
    tables = [
        module.weight.numel()
        for path, module in masked.module.named_modules()
        if isinstance(module, nn.Embedding) and path != masked.targets[0].name
    ]
    matrices = sum(p.numel() for p in masked.module.parameters() if p.dim() == 2)
    assert sum(t.shape[0] * t.shape[1] for t in masked.targets) == matrices - sum(tables)


def test_parts_of_a_fused_weight_are_what_the_model_unbinds() -> None:
    module = tiny_module("modernbert")
    fused = module.get_submodule("model.layers.1.attn.Wqkv")
    x = torch.randn(1, 5, 32)
    # ModernBertAttention.forward: view as three, heads, width; then unbind.
    expected = dict(
        zip(("query", "key", "value"), fused(x).view(1, 5, 3, -1, 8).unbind(-3), strict=True)
    )
    for site in (s for s in find_weights(module, 2) if s.target.layer == 1 and s.part < 3):
        if site.target.family not in expected:
            continue
        changed = clone(module)
        zero = DenseMatrix.from_weight(torch.zeros(site.target.shape))
        install(changed, find_weights(module, 2), {site.target.name: zero}, torch.float32)
        found = changed.get_submodule("model.layers.1.attn.Wqkv")(x).view(1, 5, 3, -1, 8)
        for name, part in zip(expected, found.unbind(-3), strict=True):
            wanted = torch.zeros_like(part) if name == site.target.family else expected[name]
            assert torch.allclose(part, wanted, atol=1e-5)


def test_both_ends_of_the_tie_read_one_matrix(masked: LanguageModel) -> None:
    matrix = random_factors(masked.targets[0].shape)
    changed = with_matrices(masked, {masked.targets[0].name: matrix}).module
    table, head = changed.get_input_embeddings(), changed.get_output_embeddings()
    assert isinstance(table, CompressedEmbedding)
    assert isinstance(head, CompressedLinear)
    assert table.matrix is matrix
    assert head.parts[0] is matrix
    old = masked.module.get_output_embeddings()
    assert head.bias is old.bias


# Saving.


@pytest.mark.parametrize("pattern", ["*", "embedding", "query@1", "other"])
def test_a_reloaded_model_computes_the_same_bits(
    masked: LanguageModel, tmp_path: Path, pattern: str
) -> None:
    small = compressed(masked, pattern)
    folder = save_compressed(small, tmp_path / "saved")
    again = load_compressed(folder, device="cpu")
    assert again.kind == "masked"
    assert torch.equal(logits(again), logits(small))
    plain = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    assert torch.equal(plain(IDS).logits, logits(small))
    assert total_bytes(again) == total_bytes(small)
    assert again.tokenizer("The <mask>")["input_ids"] == small.tokenizer("The <mask>")["input_ids"]


def test_the_file_takes_the_bytes_that_are_reported(masked: LanguageModel, tmp_path: Path) -> None:
    small = randomised(masked, offset=True)
    stored = load_file(save_compressed(small, tmp_path / "saved") / "model.safetensors").values()
    nbytes = sum(tensor.nbytes for tensor in stored)
    assert nbytes == total_bytes(small) == compare_memory(masked, small).compressed_bytes


def test_transformers_can_save_it_too(masked: LanguageModel, tmp_path: Path) -> None:
    small = compressed(masked)
    small.module.save_pretrained(tmp_path / "again")
    again = AutoModelForMaskedLM.from_pretrained(tmp_path / "again", dtype=torch.float32)
    assert torch.equal(again(IDS).logits, logits(small))


READ = """
import json, sys
import compress_lib
from transformers import AutoModelForMaskedLM
import torch
from safetensors.torch import load_file
for name, folder in json.loads(sys.argv[1]).items():
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    expected = load_file(folder + "/expected")["logits"]
    assert torch.equal(model(torch.arange(3, 40)[None]).logits, expected), name
print("read", len(json.loads(sys.argv[1])))
"""


def test_a_fresh_process_reads_every_architecture(tmp_path: Path) -> None:
    folders = {}
    for name in MASKED:
        small = compressed(tiny_model(name))
        folder = save_compressed(small, tmp_path / name)
        save_file({"logits": logits(small).contiguous()}, folder / "expected")
        folders[name] = str(folder)
    command = [sys.executable, "-c", READ, json.dumps(folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["read", str(len(MASKED))], done.stderr[-2000:]
