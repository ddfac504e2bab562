"""Weights and errors that all sources of models share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FLOATING = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
"""Supported weight types: safetensors names mapped to torch names."""


@dataclass(frozen=True)
class Weights:
    """Local files of a model.

    Attributes:
        folder: Folder with config.json, safetensors and the tokenizer.
        source: Readable description of where they came from.
        revision: Their exact version.
    """

    folder: str
    source: str
    revision: str


class HubUnreachableError(Exception):
    """The Hub did not answer; another source may have the model."""


def is_checkpoint(folder: Path) -> bool:
    """Return whether a folder holds a complete checkpoint: config.json and every weight file."""
    from compress_lib.utils.files import read_json

    if not (folder / "config.json").exists():
        return False
    # If a repository has both, transformers also prefers the single file over the shards.
    if (folder / "model.safetensors").exists():
        return True
    index = read_json(folder / "model.safetensors.index.json") or {}
    names = set(index.get("weight_map", {}).values())
    return bool(names) and all((folder / name).exists() for name in names)
