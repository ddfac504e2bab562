"""Save a compressed model as a checkpoint that transformers reads, and load it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from compress_lib.architecture import module_specs
from compress_lib.errors import ModelUnavailableError
from compress_lib.evaluation.memory import stored_tensors, total_bytes
from compress_lib.matrices import CompressedMatrix
from compress_lib.models import LanguageModel, choose_device, load_folder
from compress_lib.sources import Weights
from compress_lib.storage import check_room, read_json, whole_folder

WEIGHTS_FILE = "model.safetensors"


def save_compressed(model: LanguageModel, folder: str | Path) -> Path:
    """Write a checkpoint: the base architecture's configuration, one safetensors file, tokenizer.

    Args:
        model: A compressed model, from `compress_model` or a `Finished` event.
        folder: Where; it is replaced only once the new one is whole.

    Returns:
        The folder. Its tensors take exactly the bytes that records report.

    Raises:
        CompressionError: The disk is full or the place cannot be written; nothing is left.
    """
    from safetensors.torch import save_file

    from compress_lib.quantizer import CompressLabConfig

    path = Path(folder)
    check_room(path, total_bytes(model) + 20_000_000, "The checkpoint")
    types = _stored_types(model)
    tensors = {
        name: tensor.detach().to("cpu", types.get(id(tensor), model.dtype)).contiguous()
        if tensor.is_floating_point()
        else tensor.detach().cpu().contiguous()
        for name, tensor, _ in stored_tensors(model)
    }
    config = model.module.config.to_dict()
    config["dtype"] = str(model.dtype).removeprefix("torch.")
    config["quantization_config"] = CompressLabConfig(
        modules=module_specs(model.module),
        provenance={"model": model.id, "revision": model.revision, "source": model.source},
    ).to_dict()
    with whole_folder(path) as unfinished:
        save_file(tensors, unfinished / WEIGHTS_FILE, metadata={"format": "pt"})
        text = json.dumps(config, indent=2, sort_keys=True)
        (unfinished / "config.json").write_text(text + "\n", encoding="utf-8")
        if model.module.can_generate():
            model.module.generation_config.save_pretrained(unfinished)
        model.tokenizer.save_pretrained(unfinished)
    return path


def load_compressed(folder: str | Path, *, device: str = "auto") -> LanguageModel:
    """Load a checkpoint that `save_compressed` wrote.

    Raises:
        ModelUnavailableError: The folder does not hold one.
    """
    path = Path(folder)
    config: Any = read_json(path / "config.json")
    described = (config or {}).get("quantization_config") or {}
    if described.get("quant_method") != "compress_lab":
        raise ModelUnavailableError(
            f"{path} is not a checkpoint of Compression Lab: it has no config.json that says so. "
            "Use load_model for ordinary checkpoints."
        )
    origin = described.get("provenance") or {}
    weights = Weights(str(path), f"compressed from {origin.get('source', 'an unknown source')}", "")
    return load_folder(weights, origin.get("model", path.name), choose_device(device))


def _stored_types(model: LanguageModel) -> dict[int, torch.dtype]:
    """The checkpoint's type of every tensor of a compressed matrix, by identity."""
    return {
        id(tensor): module.dtype
        for module in model.module.modules()
        if isinstance(module, CompressedMatrix)
        for tensor in module.state_dict(keep_vars=True).values()
    }
