"""Deployment bundles: self-contained folders for a Space, or a static site."""

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
"""The bundle of the static site, which computes nothing."""

PARTS = ("app.py", "compress_lib", "assets", "pyproject.toml")
"""Files and folders of the checkout that are copied into a bundle."""

IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "pictures")

ABOUT = """# Compression Lab

Make a language model smaller. See what breaks: perplexity, memory, embedding directions and
generated text.
"""


def bundles() -> list[str]:
    """Return the names of all bundles: every profile, and the static site."""
    return [*profiles.profiles(), STATIC]


def bundle(name: str, out: Path, index: str | None = None) -> Path:
    """Write a self-contained folder.

    Args:
        name: One of `bundles`.
        out: A new or empty folder.
        index: The URL of an extra package index, such as PyTorch's for CPUs, whose builds are much
            smaller.

    Returns:
        The folder.

    Raises:
        CompressionError: The name is unknown, `out` is a file or a folder with content, the index
            is not a URL, or this is not a checkout of the project.
    """
    if name not in bundles():
        raise unknown_name("bundle", name, bundles())
    if index is not None:
        _check_index(name, index)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CompressionError(f"{out} already exists; name a new or an empty folder.")
    missing = [part for part in (*PARTS, "spaces.yml") if not _exists(part)]
    if missing:
        raise CompressionError(
            f"{ROOT} has no {missing[0]}: bundles need a checkout of the project."
        )
    with disk_errors(out), atomic_folder(out.absolute()) as unfinished:
        if name == STATIC:
            _static(unfinished)
        else:
            _gradio(name, unfinished, index)
    return out


def _check_index(name: str, index: str) -> None:
    if name == STATIC:
        raise CompressionError("The static site installs nothing, so it has no package index.")
    url = urlsplit(index)
    valid = url.scheme == "https" and bool(url.hostname) and len(index.split()) == 1
    if not valid or url.username or url.password:
        raise CompressionError(
            f"The package index must be a URL that begins with https:// and has no user name or "
            f"password, not {index!r}."
        )


def _exists(part: str) -> bool:
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
            shutil.copytree(ROOT / part, folder / part, ignore=IGNORED)
        else:
            shutil.copy(ROOT / part, folder / part)
    # Spaces install the requirements before they copy files, so the project cannot be one of them.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = (profiles.settings().get("bundles") or {}).get(name, {})
    requirements = _requirements(project["dependencies"], changes.get("requirements", []))
    lines = [f"--extra-index-url {index}", *requirements] if index else requirements
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = (ROOT / "spaces.yml").read_text(encoding="utf-8")
    (folder / "spaces.yml").write_text(
        f"{settings.rstrip()}\n\n# The profile of this bundle.\nprofile: {name}\n", encoding="utf-8"
    )
    matter = front_matter(**changes.get("space", {}))
    (folder / "README.md").write_text(f"{matter}\n{ABOUT}", encoding="utf-8")


def _requirements(default: Sequence[str], changes: Sequence[str]) -> list[str]:
    """Return the default requirements with `changes` added; a change replaces its package."""
    replaced = {_package(one) for one in changes}
    return [*(one for one in default if _package(one) not in replaced), *changes]


def _package(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else requirement
