"""Save a compressed model as a checkpoint that transformers reads, and load it again."""

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
        folder: Where: a new or empty folder, or an older checkpoint of ours, which is replaced
            only once the new one is whole.
        files: Texts to write beside the weights, by file name, such as a model card: see
            `reporting.exports.card.card_files`.

    Returns:
        The folder. Its tensors take exactly the bytes that records report.

    Raises:
        CompressionError: The disk is full, the place cannot be written, or something else is
            kept there; nothing is left.
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
    # Where the weights lay on this machine is nobody's business.
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
        # Last, since it is what fills a disk: a tokenizer tells of that in no error of its own.
        save_file(tensors, unfinished / WEIGHTS_FILE, metadata={"format": "pt"})
    return path


def load_compressed(folder: str | Path, *, device: str = "auto") -> LanguageModel:
    """Load a checkpoint that `save_compressed` wrote.

    Raises:
        ModelUnavailableError: The folder does not hold one.
    """
    path = Path(folder)
    told = read_description(path)
    if told is None:
        raise ModelUnavailableError(
            f"{path} is not a checkpoint of Compression Lab: it has no config.json that says so. "
            "Use load_model for ordinary checkpoints."
        )
    origin = told.get("provenance")
    if not isinstance(origin, dict):
        origin = {}
    weights = Weights(str(path), f"compressed from {origin.get('source', 'an unknown source')}", "")
    return load_folder(weights, origin.get("model", path.name), choose_device(device))


def read_description(path: Path) -> dict[str, Any] | None:
    """Return what a checkpoint of ours says about itself, or None if it is not one."""
    config = read_json(path / "config.json")
    found = config.get("quantization_config") if isinstance(config, dict) else None
    ours = isinstance(found, dict) and found.get("quant_method") == QUANT_METHOD
    return found if ours else None


def _check_replaceable(path: Path) -> None:
    """Refuse to put a checkpoint in the place of anything but a checkpoint of ours."""
    with disk_errors(path):
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    if taken and read_description(path) is None:
        raise CompressionError(
            f"{path} holds something else, which saving there would delete. Name a new or empty "
            "folder, or an older checkpoint of Compression Lab."
        )


def _for_file(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a tensor as it goes into a file: numbers in their stored type, codes as they are."""
    plain = tensor.detach()
    moved = plain.to("cpu", dtype) if plain.is_floating_point() else plain.cpu()
    return moved.contiguous()


def _stored_types(model: LanguageModel) -> dict[int, torch.dtype]:
    """The checkpoint's type of every tensor of a compressed matrix, by identity."""
    return {
        id(tensor): module.dtype
        for module in model.module.modules()
        if isinstance(module, CompressedMatrix)
        for tensor in module.state_dict(keep_vars=True).values()
    }
