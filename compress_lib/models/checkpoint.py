"""Checkpoints of compressed models, in a format that transformers can load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compress_lib.errors import CompressionError, ModelUnavailableError
from compress_lib.matrices import CompressedMatrix
from compress_lib.models.layer_specs import QUANT_METHOD, describe_modules
from compress_lib.models.loading import LanguageModel, choose_device, load_folder
from compress_lib.models.sources import Weights
from compress_lib.models.stored_tensors import stored_tensors, total_bytes
from compress_lib.utils.files import atomic_folder, check_room, disk_errors, read_json

WEIGHTS_FILE = "model.safetensors"


def save_compressed(
    model: LanguageModel, folder: str | Path, *, files: Mapping[str, str] | None = None
) -> Path:
    """Write a checkpoint: the base architecture's configuration, one safetensors file, tokenizer.

    Args:
        model: A compressed model, from `compress_model` or a `Finished` event.
        folder: A new or empty folder, or an older checkpoint of Compression Lab, which is
            replaced only after the new one is complete.
        files: More text files by name, such as those of `reporting.exports.card.card_files`.

    Returns:
        The folder. Its tensors take exactly the bytes that records report.

    Raises:
        CompressionError: The disk is full, the folder cannot be written, or it contains other
            files. No partial checkpoint remains.
    """
    from safetensors.torch import save_file

    from compress_lib.models.hf_quantizer import CompressLabConfig

    path = Path(folder).absolute()
    _check_replaceable(path)
    check_room(path, total_bytes(model) + 20_000_000, "The checkpoint", variable=None)
    types = _stored_types(model)
    tensors = {
        stored.name: _for_file(stored.tensor, types.get(id(stored.tensor), model.dtype))
        for stored in stored_tensors(model)
    }
    config = model.module.config.to_dict()
    # Do not publish the local path of the weights.
    config.pop("_name_or_path", None)
    config["architectures"] = [type(model.module).__name__]
    config["dtype"] = str(model.dtype).removeprefix("torch.")
    config["quantization_config"] = CompressLabConfig(
        **describe_modules(model.module),
        provenance={"model": model.id, "revision": model.revision, "source": model.source},
    ).to_dict()
    with atomic_folder(path) as unfinished:
        text = json.dumps(config, indent=2, sort_keys=True)
        (unfinished / "config.json").write_text(text + "\n", encoding="utf-8")
        if model.module.can_generate():
            model.module.generation_config.save_pretrained(unfinished)
        model.tokenizer.save_pretrained(unfinished)
        for name, text in (files or {}).items():
            (unfinished / name).write_text(text, encoding="utf-8")
        # Last, because it is what fills a disk, and tokenizers raise no OSError on a full one.
        save_file(tensors, unfinished / WEIGHTS_FILE, metadata={"format": "pt"})
    return path


def load_compressed(folder: str | Path, *, device: str = "auto") -> LanguageModel:
    """Load a checkpoint that `save_compressed` wrote.

    Args:
        folder: The checkpoint's folder.
        device: See `choose_device`.

    Raises:
        ModelUnavailableError: The folder has no such checkpoint.
        CompressionError: The device is unknown, or this machine does not have it.
    """
    path = Path(folder)
    description = read_description(path)
    if description is None:
        raise ModelUnavailableError(
            f"{path} is not a checkpoint of Compression Lab: its config.json is missing or "
            f"does not name the format {QUANT_METHOD}. Use load_model for ordinary checkpoints."
        )
    origin = description.get("provenance")
    if not isinstance(origin, dict):
        origin = {}
    weights = Weights(str(path), f"compressed from {origin.get('source', 'an unknown source')}", "")
    return load_folder(weights, origin.get("model", path.name), choose_device(device))


def read_description(path: Path) -> dict[str, Any] | None:
    """Return the format description in a checkpoint's config.json, or None if it is not ours."""
    config = read_json(path / "config.json")
    description = config.get("quantization_config") if isinstance(config, dict) else None
    ours = isinstance(description, dict) and description.get("quant_method") == QUANT_METHOD
    return description if ours else None


def _check_replaceable(path: Path) -> None:
    """Refuse to overwrite anything except another checkpoint of Compression Lab."""
    with disk_errors(path):
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    if taken and read_description(path) is None:
        raise CompressionError(
            f"{path} contains other files, which saving a checkpoint there would delete. Choose a "
            "new or empty folder, or an older checkpoint of Compression Lab."
        )


def _for_file(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a tensor on the CPU for saving: floats in their stored type, codes unchanged."""
    detached = tensor.detach()
    stored = detached.to("cpu", dtype) if detached.is_floating_point() else detached.cpu()
    return stored.contiguous()


def _stored_types(model: LanguageModel) -> dict[int, torch.dtype]:
    """Return the stored type of every tensor of a compressed matrix, by the tensor's `id`."""
    return {
        id(tensor): module.dtype
        for module in model.module.modules()
        if isinstance(module, CompressedMatrix)
        for tensor in module.state_dict(keep_vars=True).values()
    }
