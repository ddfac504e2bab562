"""Tiny random models of every architecture family, created in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from compress_lib.models.kinds import auto_class
from compress_lib.models.loading import LanguageModel
from compress_lib.utils.paths import ASSETS

VOCABULARY = 320
PROSE = ASSETS / "text"


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on the project's calibration prose."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text = (PROSE / "prose_calibration.txt").read_text(encoding="utf-8")
    tokenizer.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def _sizes(**more: Any) -> dict[str, Any]:
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": None,
    }
    return sizes | more


def _gpt2() -> transformers.PreTrainedConfig:
    return transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=128,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip


def _opt() -> transformers.PreTrainedConfig:
    sizes = _sizes(ffn_dim=64, word_embed_proj_dim=32)
    sizes.pop("intermediate_size")
    return transformers.OPTConfig(**sizes | {"pad_token_id": 0})


def _gemma() -> transformers.PreTrainedConfig:
    return transformers.Gemma3TextConfig(**_sizes(num_key_value_heads=1, head_dim=8))


CONFIGURATIONS: dict[str, Callable[[], transformers.PreTrainedConfig]] = {
    "llama": lambda: transformers.LlamaConfig(
        **_sizes(num_key_value_heads=2, tie_word_embeddings=True)
    ),
    "llama_untied": lambda: transformers.LlamaConfig(**_sizes(tie_word_embeddings=False)),
    "gpt2": _gpt2,
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**_sizes(tie_word_embeddings=False)),
    "opt": _opt,
    "qwen2": lambda: transformers.Qwen2Config(
        **_sizes(num_key_value_heads=2, tie_word_embeddings=True)
    ),
    "gemma3": _gemma,
}
"""One configuration for each weight layout of causal models."""


MASKED_TOKENS = ("<pad>", "<s>", "</s>")


def _masked_sizes(**more: Any) -> dict[str, Any]:
    # Padding needs its own token, so that no token of a text is treated as padding.
    return _sizes(bos_token_id=1, eos_token_id=2, pad_token_id=0) | more


def _distilbert() -> transformers.PreTrainedConfig:
    return transformers.DistilBertConfig(
        vocab_size=VOCABULARY, dim=32, hidden_dim=64, n_layers=2, n_heads=4,
        max_position_embeddings=128, pad_token_id=0,
    )  # fmt: skip


MASKED: dict[str, Callable[[], transformers.PreTrainedConfig]] = {
    "bert": lambda: transformers.BertConfig(**_masked_sizes()),
    "roberta": lambda: transformers.RobertaConfig(**_masked_sizes(max_position_embeddings=129)),
    "distilbert": _distilbert,
    "modernbert": lambda: transformers.ModernBertConfig(
        **_masked_sizes(cls_token_id=1, sep_token_id=2, local_attention=32)
    ),
}
"""One configuration for each weight layout of masked models."""


def masked_tokenizer() -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer with a mask token and special tokens around texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        # The mask replaces a word and its preceding space.
        special_tokens=[*MASKED_TOKENS, AddedToken("<mask>", lstrip=True, special=True)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text = (PROSE / "prose_calibration.txt").read_text(encoding="utf-8")
    tokenizer.train_from_iterator([text], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B </s>",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", cls_token="<s>", sep_token="</s>",
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
    )  # fmt: skip


def tiny_module(architecture: str = "llama", seed: int = 0) -> PreTrainedModel:
    """Return a random float32 model whose weights are representable in float16."""
    masked = architecture in MASKED
    config = (MASKED if masked else CONFIGURATIONS)[architecture]()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = auto_class("masked" if masked else "causal").from_config(config)
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(0, 0.2)
                elif "norm" not in architecture:
                    parameter.add_(torch.randn_like(parameter) * 0.05)
                parameter.copy_(parameter.half().float())
    module = module.eval().requires_grad_(False)
    return module  # type: ignore[no-any-return]


def tiny_model(architecture: str = "llama", seed: int = 0) -> LanguageModel:
    """Return a random model with its tokenizer; its checkpoint type is float16."""
    return LanguageModel(
        module=tiny_module(architecture, seed),
        tokenizer=tokenizer_for(architecture),
        id=f"tiny-{architecture}",
        source="made in a test",
        revision="0",
        dtype=torch.float16,
        kind="masked" if architecture in MASKED else "causal",
    )


def tokenizer_for(architecture: str) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a tiny model."""
    return masked_tokenizer() if architecture in MASKED else tiny_tokenizer()


def save_tiny(folder: Path, architecture: str = "llama", seed: int = 0) -> Path:
    """Save a random model as a standard float16 checkpoint."""
    module = tiny_module(architecture, seed).half()
    module.config.dtype = torch.float16
    module.save_pretrained(folder)
    tokenizer_for(architecture).save_pretrained(folder)
    return folder


def weight_of(model: LanguageModel, path: str) -> torch.nn.Parameter:
    """Return the weight of the layer at a module path."""
    weight = model.module.get_submodule(path).weight
    assert isinstance(weight, torch.nn.Parameter)
    return weight
