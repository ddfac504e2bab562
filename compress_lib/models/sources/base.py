"""What every source of weights gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FLOATING = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
"""Types of numbers that a model can be computed from: safetensors' names, and torch's."""


@dataclass(frozen=True)
class Weights:
    """Files of a model on this machine.

    Attributes:
        folder: Holds config.json, safetensors and the tokenizer.
        source: Where they came from, in words.
        revision: Their exact version.
    """

    folder: str
    source: str
    revision: str


class HubUnreachableError(Exception):
    """The Hub did not answer: another source may."""


def is_checkpoint(folder: Path) -> bool:
    """Tell whether a folder holds a whole checkpoint: configuration and every weight file."""
    from compress_lib.utils.files import read_json

    if not (folder / "config.json").exists():
        return False
    # Some repositories hold both; transformers too then reads the one file, not the shards.
    if (folder / "model.safetensors").exists():
        return True
    index = read_json(folder / "model.safetensors.index.json") or {}
    names = set(index.get("weight_map", {}).values())
    return bool(names) and all((folder / name).exists() for name in names)
