"""What every source of weights gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
    from compress_lib.storage import read_json

    if not (folder / "config.json").exists():
        return False
    index = read_json(folder / "model.safetensors.index.json")
    names = set(index["weight_map"].values()) if index else {"model.safetensors"}
    return all((folder / name).exists() for name in names)
