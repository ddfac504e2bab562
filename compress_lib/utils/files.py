"""Atomic writes, file locks and disk checks for everything stored on this machine."""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compress_lib.errors import CompressionError
from compress_lib.utils.formatting import format_bytes

HOME_VARIABLE = "COMPRESS_LAB_HOME"
POLL_SECONDS = 0.2
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (
    *(errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOENT),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
)


def home() -> Path:
    """Return the data folder: `COMPRESS_LAB_HOME`, or else the user's cache folder."""
    configured = os.environ.get(HOME_VARIABLE)
    if configured:
        return Path(configured).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("compress-lab")


@contextmanager
def lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an inter-process lock on `path`; it is released even if the process crashes.

    Args:
        path: File or folder to lock. Temporary folders left by a killed process are removed.
        waiting: Called every `POLL_SECONDS` while another process holds the lock; may raise to
            give up.

    Raises:
        CompressionError: The disk is full, or the location is not writable.
    """
    from filelock import FileLock, Timeout

    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.lock")
        while not lock.is_locked:
            try:
                lock.acquire(timeout=POLL_SECONDS)
            except Timeout:
                waiting()
        try:
            prefix = unfinished_prefix(path)
            for unfinished in path.parent.glob(f"{glob.escape(prefix)}*"):
                # A further `~` is part of another path's name, which may be in use.
                if "~" not in unfinished.name.removeprefix(prefix):
                    shutil.rmtree(unfinished, ignore_errors=True)
            yield
        finally:
            lock.release()


def unfinished_prefix(path: Path) -> str:
    """Return the name prefix of the temporary folders in which `path` is built."""
    return f".{path.name}~"


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to `path` on success and deleted on error.

    Raises:
        CompressionError: The disk is full.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=unfinished_prefix(path), dir=path.parent))
        try:
            yield unfinished
            # Temporary folders and safetensors files are created readable by their owner only.
            unfinished.chmod(0o755)
            for file in unfinished.iterdir():
                file.chmod(0o755 if file.is_dir() else 0o644)
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=unfinished_prefix(path), dir=path.parent))
                _exchange(path, unfinished, old / path.name)
                shutil.rmtree(old, ignore_errors=True)
            else:
                unfinished.replace(path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _exchange(path: Path, new: Path, old: Path) -> None:
    """Move `path` to `old` and `new` to `path`; on failure, restore `path`."""
    path.replace(old)
    try:
        new.replace(path)
    except OSError:
        old.replace(path)
        old.parent.rmdir()
        raise


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file atomically: readers see either the old content or the new, never a part.

    Args:
        path: The file; parent folders are created.
        content: Bytes, or text to encode as UTF-8.

    Raises:
        CompressionError: The disk is full, or the location is not writable.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Convert errors about a full disk or an unwritable `path` to a `CompressionError`."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        number = _system_error(error)
        if number in FULL:
            raise CompressionError(
                f"The disk is full: {path} could not be saved, and no partial file was kept. "
                "Free some space, or choose another location."
            ) from error
        if number in FORBIDDEN:
            raise CompressionError(
                f"{path} cannot be written ({os.strerror(number)}). Choose another location."
            ) from error
        raise


def _system_error(error: Exception) -> int:
    """Return the errno of an error; safetensors only includes it in its message."""
    if isinstance(error, OSError):
        return error.errno or 0
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match else 0


def check_room(path: Path, nbytes: int, what: str, variable: str | None = HOME_VARIABLE) -> None:
    """Check, before any work is done, that the disk has enough free space.

    Args:
        path: Where the data would be stored; need not exist yet.
        nbytes: Bytes to store.
        what: Subject of the error message, e.g. "The download".
        variable: Environment variable that selects another location; None if the user chose
            `path`.

    Raises:
        CompressionError: Less than `nbytes` of space is free.
    """
    place = path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < nbytes:
        move = f"set {variable} to" if variable else "choose"
        raise CompressionError(
            f"{what} needs {format_bytes(nbytes)} in {place}, but only {format_bytes(free)} are "
            f"free. Free some space, or {move} a folder on a larger disk."
        )


def write_json_file(path: Path, data: object) -> None:
    """Write a JSON file atomically; see `atomic_write`.

    Args:
        path: The file; parent folders are created.
        data: JSON-serializable data.

    Raises:
        CompressionError: The disk is full, or the location is not writable.
    """
    atomic_write(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None if it is missing or not valid JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return None
