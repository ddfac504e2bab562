"""Folders that start by themselves: what is pushed to a Space, or opened from a disk."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from compress_lib.cli.space.front_matter import front_matter
from compress_lib.errors import CompressionError, unknown_name
from compress_lib.utils import profiles
from compress_lib.utils.files import atomic_folder, disk_errors
from compress_lib.utils.paths import ROOT

STATIC = "static"
"""The bundle that computes nothing."""

PARTS = ("app.py", "compress_lib", "assets", "pyproject.toml")
"""Copied as they are."""

LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "pictures")

ABOUT = """# Compression Lab

Find out what compressing a language model really costs: perplexity, bytes, directions and text.
"""


def bundles() -> list[str]:
    """Return the names of what can be bundled: every profile, and the static site."""
    return [*profiles.profiles(), STATIC]


def bundle(name: str, out: Path, index: str | None = None) -> Path:
    """Write a folder that starts by itself.

    Args:
        name: One of `bundles`.
        out: A folder that is not there yet, or is empty.
        index: The address of a package index to be asked as well, such as PyTorch's for CPUs, whose
            builds are much smaller.

    Returns:
        The folder.

    Raises:
        CompressionError: The name is unknown, something is there already, the index is no address,
            or this is no checkout of the project.
    """
    if name not in bundles():
        raise unknown_name("bundle", name, bundles())
    if index is not None:
        _check_index(name, index)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CompressionError(f"{out} is there already; name a new or an empty folder.")
    missing = [part for part in (*PARTS, "spaces.yml") if not _here(part)]
    if missing:
        raise CompressionError(
            f"{ROOT} has no {missing[0]}: bundles are made in a checkout of the project."
        )
    with disk_errors(out), atomic_folder(out.absolute()) as unfinished:
        if name == STATIC:
            _static(unfinished)
        else:
            _gradio(name, unfinished, index)
    return out


def _check_index(name: str, index: str) -> None:
    if name == STATIC:
        raise CompressionError("The static site installs nothing, so it takes no package index.")
    found = urlsplit(index)
    whole = found.scheme == "https" and bool(found.hostname) and len(index.split()) == 1
    if not whole or found.username or found.password:
        raise CompressionError(
            f"A package index is an address that begins with https:// and names no password, not "
            f"{index!r}."
        )


def _here(part: str) -> bool:
    return (ROOT / part).exists()


def _static(folder: Path) -> None:
    from compress_lib.reporting.exports.site import write_site

    write_site(folder)
    matter = front_matter(
        sdk="static",
        sdk_version=None,
        python_version=None,
        suggested_hardware=None,
        app_file="index.html",
    )
    (folder / "README.md").write_text(f"{matter}\n{ABOUT}", encoding="utf-8")


def _gradio(name: str, folder: Path, index: str | None) -> None:
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / part, folder / part)
    # Spaces install what is listed before they copy anything: the project cannot be in the list.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = (profiles.settings().get("bundles") or {}).get(name, {})
    wanted = _requirements(project["dependencies"], own.get("requirements", []))
    lines = [f"--extra-index-url {index}", *wanted] if index else wanted
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = (ROOT / "spaces.yml").read_text(encoding="utf-8")
    (folder / "spaces.yml").write_text(
        f"{settings.rstrip()}\n\n# Of this bundle.\nprofile: {name}\n", encoding="utf-8"
    )
    matter = front_matter(**own.get("space", {}))
    (folder / "README.md").write_text(f"{matter}\n{ABOUT}", encoding="utf-8")


def _requirements(usual: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return requirements, those of the same packages replaced by others and the rest added."""
    replaced = {_package(one) for one in other}
    return [*(one for one in usual if _package(one) not in replaced), *other]


def _package(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else requirement
