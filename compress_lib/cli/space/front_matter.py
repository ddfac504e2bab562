"""README front matter and generated documents, and model pins in `spaces.yml`.

A Space reads its settings from the front matter at the top of README.md, which `render` generates
from `spaces.yml`. `check` fails if a document is out of date. `write_pins` pins models to commits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from compress_lib.cli.space import documents
from compress_lib.errors import CompressionError
from compress_lib.utils import profiles
from compress_lib.utils.files import atomic_write
from compress_lib.utils.paths import ROOT

README = ROOT / "README.md"

FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
MAX_DESCRIPTION = 60
COMMIT = re.compile(r"[0-9a-f]{40}")


def front_matter(**changes: str | None) -> str:
    """Return the README front matter with the settings of `spaces.yml`.

    Args:
        changes: Values that replace those of `spaces.yml`; None omits a key.

    Raises:
        CompressionError: The description is too long for a Space, or a pin is not a commit.
    """
    from huggingface_hub import SpaceCardData

    metadata = {**profiles.settings()["space"], **changes}
    if len(metadata["short_description"]) > MAX_DESCRIPTION:
        raise CompressionError(
            f"short_description in spaces.yml has {len(metadata['short_description'])} characters; "
            f"Spaces allow {MAX_DESCRIPTION}."
        )
    for name, commit in profiles.pins().items():
        if not COMMIT.fullmatch(commit):
            raise CompressionError(
                f"The pin of {name} in spaces.yml must be a commit of 40 hex digits, not "
                f"{commit!r}; `compress-lab models --pin` writes it."
            )
    metadata = {key: value for key, value in metadata.items() if value is not None}
    metadata["models"] = list(profiles.settings()["models"])
    return f"---\n{SpaceCardData(**metadata).to_yaml()}\n---\n"


def check() -> None:
    """Compare front matter and generated blocks of all documents with `spaces.yml` and the code.

    Raises:
        CompressionError: They differ; the message names the first line that does.
    """
    if not FRONT_MATTER.match(README.read_text(encoding="utf-8")):
        raise CompressionError(
            "README.md has no front matter; `compress-lab space render` adds it."
        )
    for path, text, new in _rendered():
        if text == new:
            continue
        pairs = zip_longest(text.splitlines(), new.splitlines(), fillvalue="")
        has, wants = next(pair for pair in pairs if pair[0] != pair[1])
        raise CompressionError(
            f"{path.name} is out of date: it has {has!r} and should have {wants!r}. "
            "`compress-lab space render` updates it."
        )


def render() -> list[Path]:
    """Write front matter and generated blocks of all documents; return the files that changed."""
    changed = []
    for path, text, new in _rendered():
        if new != text:
            atomic_write(path, new)
            changed.append(path)
    return changed


def _rendered() -> Iterator[tuple[Path, str, str]]:
    """Yield each document with its present and its generated text."""
    for path in (README, *sorted(documents.DOCS.glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        new = documents.fill(FRONT_MATTER.sub("", text, count=1).lstrip("\n"))
        yield path, text, f"{front_matter()}\n{new}" if path == README else new


def write_pins(commits: dict[str, str]) -> None:
    """Write commits by Hub ID into `spaces.yml`, preserving its comments and order.

    Raises:
        CompressionError: `spaces.yml` does not list a model.
    """
    text = profiles.SPACES_FILE.read_text(encoding="utf-8")
    for name, commit in commits.items():
        line = re.compile(rf"^(  {re.escape(name)}:).*$", re.MULTILINE)
        if not line.search(text):
            raise CompressionError(f"spaces.yml does not list the model {name}.")
        text = line.sub(rf"\1 {commit}", text)
    atomic_write(profiles.SPACES_FILE, text)
    profiles.settings.cache_clear()
