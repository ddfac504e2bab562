"""Gathered statistics on disk, and what methods compute from them.

Gathering takes minutes, a decomposition seconds, and the same model and text are used again.
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
"""By kind of model; raised when the same model and text would give other statistics."""

MEMO_SCHEMA = 2
"""Raised when methods would compute something else of the same statistics."""

RECENT_SECONDS = 600
"""What was used so lately is not deleted: another process may be at work with it."""

Stored = Mapping[str, Tensor]

MOST_BYTES = 8_000_000_000
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
        self._used = {self.folder}
        # Several matrices may be worked on at once.
        self._lock = threading.Lock()

    def has(self, target: str, kind: str) -> bool:
        """Tell whether a statistic of a target is kept and readable."""
        return bool(_open(self._file(target, kind)))

    def find(self, target: str, kind: str) -> Tensor | None:
        """Return a statistic of a target, if it was kept."""
        found = _open(self._file(target, kind))
        if found:
            _touch(self.folder)
        return found[kind].to(self._device) if kind in found else None

    def add(self, target: str, values: Mapping[str, Tensor]) -> None:
        """Keep statistics of a target.

        Raises:
            CompressionError: The disk is full, or the place cannot be written.
        """
        for kind, value in values.items():
            _write(self._file(target, kind), {kind: value})

    def cached(self, target: str) -> Memo:
        """Return what keeps tensors that methods compute from a target and its statistics."""

        def keep(name: str, compute: Callable[[], Stored]) -> Stored:
            digest = hashlib.sha256(f"{MEMO_SCHEMA}|{name}".encode()).hexdigest()[:16]
            folder = self.root / f"{self.folder.name}-{digest}"
            file = folder / f"{target}.safetensors"
            with self._lock:
                new = folder not in self._used and not folder.exists()
                self._used.add(folder)
            found = _open(file)
            if not found:
                computed = compute()
                _write(file, computed)
                if new:
                    self.evict()
                return computed
            _touch(folder)
            return found

        return keep

    def _file(self, target: str, kind: str) -> Path:
        return self.folder / kind / f"{target}.safetensors"

    def evict(self) -> None:
        """Delete what was not used for longest, beyond `MOST_BYTES`; never what is in use."""
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
    """Note that a folder was used just now, if it is still there: touching would make a file."""
    with suppress(OSError):
        os.utime(folder)


class _File(Mapping[str, Tensor]):
    """The tensors of a file, each read when it is asked for."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self._path = path
        self._names = names

    def __getitem__(self, name: str) -> Tensor:
        from safetensors import safe_open

        if name not in self._names:
            raise KeyError(name)
        with safe_open(self._path, "pt") as file:
            # A copy: the file is mapped into memory, and might be written to by others.
            return file.get_tensor(name).clone()  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _open(path: Path) -> Mapping[str, Tensor]:
    """Return a file's tensors; none if there is no sound file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return _File(path, list(file.keys()))
    except (SafetensorError, OSError):
        # A broken file is as good as none: what it held is made again.
        return {}


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save

    atomic_write(path, save({name: value.cpu().contiguous() for name, value in tensors.items()}))


def _key(model: LanguageModel, text: Calibration) -> str:
    """Name what statistics depend on: the weights, the tokens read and those predicted."""
    digest = hashlib.sha256()
    about: tuple[object, ...] = (SCHEMA[model.kind], model.id, model.source, model.revision)
    about += (model.module.dtype,)
    scale = table_scale(model.module.get_input_embeddings())
    about += () if scale is None else (scale,)
    digest.update("|".join(map(str, about)).encode())
    with torch.inference_mode():
        norms = [parameter.float().norm() for parameter in model.module.parameters()]
        digest.update(torch.stack(norms).cpu().numpy().tobytes())
    parts: list[Tensor] = text.input_blocks
    # What a causal model has to predict follows from its blocks.
    for example in () if text.causal else text.examples:
        parts += [example.ids, example.positions, example.labels, torch.tensor(example.singly)]
    for part in parts:
        digest.update(part.cpu().numpy().tobytes() + b"|")
    return digest.hexdigest()[:16]


def _age(folder: Path) -> float:
    """Return when a folder was used last; another process may just have deleted it."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(folder: Path) -> int:
    total = 0
    # Others write and delete meanwhile; what is gone in between has no size.
    with suppress(FileNotFoundError):
        for file in folder.rglob("*.safetensors"):
            with suppress(FileNotFoundError):
                total += file.stat().st_size
    return total
