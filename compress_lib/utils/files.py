"""Where things are kept on this machine, and how they get there whole or not at all."""

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
    """Return the folder of everything kept: `COMPRESS_LAB_HOME`, else the user's cache folder."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("compress-lab")


@contextmanager
def lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process at a time work on `path`; a crashed one leaves no lock behind.

    Args:
        path: What is worked on. What a killed process left of it is removed.
        waiting: Called again and again while another process works; may raise to give up.

    Raises:
        CompressionError: The disk is full, or the place cannot be written.
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
                # Another `~` belongs to the name of another place, where others may be at work.
                if "~" not in unfinished.name.removeprefix(prefix):
                    shutil.rmtree(unfinished, ignore_errors=True)
            yield
        finally:
            lock.release()


def unfinished_prefix(path: Path) -> str:
    """Return how the names of temporary folders begin in which `path` is made."""
    return f".{path.name}~"


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` at the end, or vanishes on any error.

    Raises:
        CompressionError: The disk is full.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=unfinished_prefix(path), dir=path.parent))
        try:
            yield unfinished
            # Temporary folders and safetensors' files are made for their owner's eyes only.
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
    """Move `path` to `old` and `new` to `path`; if that fails, all is as before."""
    path.replace(old)
    try:
        new.replace(path)
    except OSError:
        old.replace(path)
        old.parent.rmdir()
        raise


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        CompressionError: The disk is full, or the place cannot be written.
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
    """Turn a full disk or a forbidden place into a sentence."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        number = _system_error(error)
        if number in FULL:
            raise CompressionError(
                f"The disk is full: {path} could not be saved, and nothing half-written was "
                "left. Make room, or choose another place."
            ) from error
        if number in FORBIDDEN:
            raise CompressionError(
                f"{path} cannot be written here ({os.strerror(number)}). Choose another place."
            ) from error
        raise


def _system_error(error: Exception) -> int:
    """The system's number of an error; safetensors hides it in its message."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0


def check_room(path: Path, nbytes: int, what: str, variable: str | None = HOME_VARIABLE) -> None:
    """Refuse, before any work, to store more than the disk has room for.

    Args:
        path: Where it would be stored.
        nbytes: How much.
        what: What needs the room, for the message.
        variable: The environment variable that moves the place elsewhere; None if the person
            named the place.

    Raises:
        CompressionError: There is less free space than `nbytes`.
    """
    place = path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < nbytes:
        other = f"set {variable} to a larger disk" if variable else "name a place on a larger disk"
        raise CompressionError(
            f"{what} needs {format_bytes(nbytes)} in {place}, where {format_bytes(free)} are "
            f"free. Make room, or {other}."
        )


def write_json_file(path: Path, data: object) -> None:
    """Write JSON as `atomic_write` writes a file.

    Raises:
        CompressionError: The disk is full, or the place cannot be written.
    """
    atomic_write(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None where there is no readable one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return None
