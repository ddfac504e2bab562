"""Disk cache of calibration statistics, and of decompositions that methods compute from them.

Collecting statistics takes minutes and a decomposition seconds; runs reuse both for the same
model and text.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from compress_lib.data.calibration_text import Calibration
from compress_lib.methods.statistics import Memo
from compress_lib.models.architecture import table_scale
from compress_lib.models.loading import LanguageModel
from compress_lib.utils.files import atomic_write, disk_errors, home

SCHEMA = {"causal": 1, "masked": 2}
"""Cache version by kind of model; incremented when the same text would give other statistics."""

MEMO_SCHEMA = 2
"""Cache version of decompositions; incremented when methods compute different ones."""

RECENT_SECONDS = 600
"""Folders used within this time are not deleted, because another process may be using them."""

Stored = Mapping[str, Tensor]

MOST_BYTES = 8_000_000_000
"""Maximum size of the cache in bytes; beyond it, the least recently used folders are deleted."""


class StatisticsCache:
    """Cached statistics of one model and one text.

    Args:
        model: The model, identified by its source and its weights.
        text: The calibration text.
        folder: The cache folder; `statistics` in the home folder if None.
    """

    def __init__(self, model: LanguageModel, text: Calibration, folder: Path | None = None) -> None:
        self.root = folder or home() / "statistics"
        self.folder = self.root / _key(model, text)
        self._device = model.device
        self._used = {self.folder}
        # Several matrices may be compressed in parallel.
        self._lock = threading.Lock()

    def has(self, target: str, kind: str) -> bool:
        """Return whether a statistic of a target is cached and readable.

        Args:
            target: The target's name.
            kind: The field of `Statistics`.
        """
        return bool(_open(self._file(target, kind)))

    def find(self, target: str, kind: str) -> Tensor | None:
        """Return a cached statistic of a target, or None.

        Args:
            target: The target's name.
            kind: The field of `Statistics`.
        """
        tensors = _open(self._file(target, kind))
        if tensors:
            _touch(self.folder)
        return tensors[kind].to(self._device) if kind in tensors else None

    def add(self, target: str, values: Mapping[str, Tensor]) -> None:
        """Cache statistics of a target.

        Args:
            target: The target's name.
            values: Tensors by field of `Statistics`.

        Raises:
            CompressionError: The disk is full, or the folder cannot be written.
        """
        for kind, value in values.items():
            _write(self._file(target, kind), {kind: value})

    def cached(self, target: str) -> Memo:
        """Return a memo function for tensors computed from a target and its statistics."""

        def keep(name: str, compute: Callable[[], Stored]) -> Stored:
            digest = hashlib.sha256(f"{MEMO_SCHEMA}|{name}".encode()).hexdigest()[:16]
            folder = self.root / f"{self.folder.name}-{digest}"
            file = folder / f"{target}.safetensors"
            with self._lock:
                new = folder not in self._used and not folder.exists()
                self._used.add(folder)
            tensors = _open(file)
            if not tensors:
                computed = compute()
                _write(file, computed)
                if new:
                    self.evict()
                return computed
            _touch(folder)
            return tensors

        return keep

    def _file(self, target: str, kind: str) -> Path:
        return self.folder / kind / f"{target}.safetensors"

    def evict(self) -> None:
        """Delete the least recently used folders beyond `MOST_BYTES`, except those in use."""
        with self._lock, disk_errors(self.root):
            for folder in self._used:
                _touch(folder)
            ages = {folder: _age(folder) for folder in self.root.iterdir()}
            folders = sorted(ages, key=ages.__getitem__)
            sizes = {folder: _size(folder) for folder in folders}
            for folder in folders:
                if sum(sizes.values()) <= MOST_BYTES:
                    break
                recent = time.time() - _age(folder) < RECENT_SECONDS
                if not recent and folder not in self._used:
                    shutil.rmtree(folder, ignore_errors=True)
                    del sizes[folder]


def _touch(folder: Path) -> None:
    """Update the modification time of a folder; `Path.touch` would create a missing one as file."""
    with suppress(OSError):
        os.utime(folder)


class _File(Mapping[str, Tensor]):
    """Tensors of a file, each read on access."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self._path = path
        self._names = names

    def __getitem__(self, name: str) -> Tensor:
        from safetensors import safe_open

        if name not in self._names:
            raise KeyError(name)
        with safe_open(self._path, "pt") as file:
            # A copy, because the file is memory-mapped and another process may overwrite it.
            return file.get_tensor(name).clone()  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _open(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a file; empty if it is missing or corrupt."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return _File(path, list(file.keys()))
    except (SafetensorError, OSError):
        # A corrupt file counts as missing; its contents are recomputed.
        return {}


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save

    atomic_write(path, save({name: value.cpu().contiguous() for name, value in tensors.items()}))


def _key(model: LanguageModel, text: Calibration) -> str:
    """Hash everything that statistics depend on: weights, input tokens and predicted tokens."""
    digest = hashlib.sha256()
    identity: tuple[object, ...] = (SCHEMA[model.kind], model.id, model.source, model.revision)
    identity += (model.module.dtype,)
    scale = table_scale(model.module.get_input_embeddings())
    identity += () if scale is None else (scale,)
    digest.update("|".join(map(str, identity)).encode())
    with torch.inference_mode():
        norms = [parameter.float().norm() for parameter in model.module.parameters()]
        digest.update(torch.stack(norms).cpu().numpy().tobytes())
    parts: list[Tensor] = text.input_blocks
    # For a causal model, the predicted tokens follow from the blocks.
    for example in () if text.causal else text.examples:
        parts += [example.ids, example.positions, example.labels, torch.tensor(example.singly)]
    for part in parts:
        digest.update(part.cpu().numpy().tobytes() + b"|")
    return digest.hexdigest()[:16]


def _age(folder: Path) -> float:
    """Return when a folder was last used; 0 if another process has deleted it."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(folder: Path) -> int:
    total = 0
    # Other processes may delete files meanwhile.
    with suppress(FileNotFoundError):
        for file in folder.rglob("*.safetensors"):
            with suppress(FileNotFoundError):
                total += file.stat().st_size
    return total
