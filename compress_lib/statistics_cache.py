"""Gathered statistics on disk: gathering takes minutes, and the same text is used again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from compress_lib.calibration_text import Calibration
from compress_lib.models import LanguageModel
from compress_lib.storage import disk_errors, home, write_whole

SCHEMA = 1
"""Raised when the same model and text would give other statistics."""

MOST_BYTES = 4_000_000_000
"""Beyond it the statistics that were not used for longest are deleted."""


class StatisticsCache:
    """One model's statistics from one text.

    Args:
        model: Known by where it came from and by its weights.
        text: The calibration text.
        folder: Where everything is kept; in the lab's home folder if None.
    """

    def __init__(self, model: LanguageModel, text: Calibration, folder: Path | None = None) -> None:
        self.root = folder or home() / "statistics"
        self.folder = self.root / _key(model, text)
        self._device = model.device

    def find(self, target: str, kind: str) -> Tensor | None:
        """Return a statistic of a target, if it was kept."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self._file(target, kind)
        if not file.exists():
            return None
        try:
            self.folder.touch()
            return load_file(file)[kind].to(self._device)
        except (SafetensorError, KeyError, OSError):
            # A broken file is as good as none: it is gathered again.
            return None

    def add(self, target: str, values: Mapping[str, Tensor]) -> None:
        """Keep statistics of a target.

        Raises:
            CompressionError: The disk is full, or the place cannot be written.
        """
        from safetensors.torch import save

        for kind, value in values.items():
            write_whole(self._file(target, kind), save({kind: value.cpu().contiguous()}))

    def _file(self, target: str, kind: str) -> Path:
        return self.folder / kind / f"{target}.safetensors"

    def trim(self) -> None:
        """Delete what was not used for longest, beyond `MOST_BYTES`; never what is in use."""
        with disk_errors(self.root):
            folders = sorted(self.root.iterdir(), key=lambda folder: folder.stat().st_mtime)
            sizes = {folder: _size(folder) for folder in folders}
            for folder in folders:
                if sum(sizes.values()) <= MOST_BYTES:
                    break
                if folder != self.folder:
                    shutil.rmtree(folder, ignore_errors=True)
                    del sizes[folder]


def _key(model: LanguageModel, text: Calibration) -> str:
    """Name what statistics depend on: the weights, the tokens read and those predicted."""
    digest = hashlib.sha256()
    about = (SCHEMA, model.id, model.source, model.revision, model.module.dtype)
    digest.update("|".join(map(str, about)).encode())
    with torch.inference_mode():
        norms = [parameter.float().norm() for parameter in model.module.parameters()]
        digest.update(torch.stack(norms).cpu().numpy().tobytes())
    parts: list[Tensor] = list(text.blocks)
    for example in text.examples:
        parts += [example.ids, example.positions, example.labels, torch.tensor(example.singly)]
    for part in parts:
        digest.update(part.cpu().numpy().tobytes() + b"|")
    return digest.hexdigest()[:16]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
