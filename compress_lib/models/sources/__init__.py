"""From the name of a model to a folder of safetensors on this machine.

The order is: what is already here, the Hub, the package index. Nothing here loads a model.
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
    """Find, and where needed fetch, the files of a model.

    Args:
        model: A name of the catalogue, a Hub id `owner/name`, a folder, or a `.gguf` file.
        revision: A commit or tag on the Hub.
        report: Told about downloads.

    Raises:
        CompressionError: The name is none of these.
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
                "Connect to the network, or name a folder or a .gguf file.",
            ) from error
    if "/" in model or model.startswith("."):
        raise CompressionError(
            f"There is no folder {model!r}. Give a folder with config.json and safetensors, a "
            ".gguf file, a Hub id such as owner/name, or a name of the catalogue."
        )
    raise unknown_name("model", model, CATALOGUE)


def _locate_entry(name: str, revision: str | None, report: Report) -> Weights:
    entry = CATALOGUE[name]
    found = cached_snapshot(entry.hub_id, revision)
    if found is None and entry.package is not None:
        # A plan that names the package's revision means just these weights.
        wanted = revision in (None, entry.package.revision)
        found = cached_package(entry.package) if wanted else None
        if found is None and revision == entry.package.revision:
            check_memory(name, entry.parameters)
            return fetch_package(entry.package, report)
    if found is not None:
        return found
    try:
        return fetch_snapshot(entry.hub_id, revision, report)
    except HubUnreachableError as error:
        if entry.package is not None and revision is None:
            check_memory(name, entry.parameters)
            return fetch_package(entry.package, report)
        raise ModelUnavailableError(
            f"{name} is not in the cache and the Hugging Face Hub cannot be reached ({error}).",
            "Connect to the network once; it is kept afterwards.",
        ) from error


def _path(text: str) -> Path | None:
    """Return a text as a path, or None where the system cannot even look for it."""
    if not text:
        return None  # Not the current folder.
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, ValueError, RuntimeError):  # Too long, with a zero byte, of no such user.
        return None
    return path


def _folder_revision(path: Path) -> str:
    """Tell versions of a local folder apart by its files' names, sizes and times."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.safetensors")):
        state = file.stat()
        digest.update(f"{file.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return f"folder:{digest.hexdigest()[:16]}"


__all__ = ["HUB_ID", "Weights", "locate"]
