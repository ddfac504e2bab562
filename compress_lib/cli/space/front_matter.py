"""The Space: what differs between hosts comes from `spaces.yml`, and README repeats it.

A Space reads its settings from front matter at the top of README.md. `render` writes that front
matter, `check` fails where it has drifted, and pins of models are written here.
"""

from __future__ import annotations

import re
from itertools import zip_longest

from compress_lib.cli.space.readme import fill
from compress_lib.errors import CompressionError
from compress_lib.utils import profiles
from compress_lib.utils.files import atomic_write
from compress_lib.utils.paths import ROOT

README = ROOT / "README.md"

FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
MAX_DESCRIPTION = 60
COMMIT = re.compile(r"[0-9a-f]{40}")


def front_matter(**changes: str | None) -> str:
    """Return the README's front matter as `spaces.yml` wants it.

    Args:
        changes: Values that differ; None leaves a key out.

    Raises:
        CompressionError: A value is one that Spaces refuse.
    """
    from huggingface_hub import SpaceCardData

    wanted = {**profiles.settings()["space"], **changes}
    if len(wanted["short_description"]) > MAX_DESCRIPTION:
        raise CompressionError(
            f"short_description in spaces.yml has {len(wanted['short_description'])} characters; "
            f"Spaces allow {MAX_DESCRIPTION}."
        )
    for name, commit in profiles.pins().items():
        if not COMMIT.fullmatch(commit):
            raise CompressionError(
                f"The pin of {name} in spaces.yml must be a commit of 40 hex digits, not "
                f"{commit!r}; `compress-lab models --pin` writes it."
            )
    wanted = {key: value for key, value in wanted.items() if value is not None}
    wanted["models"] = list(profiles.settings()["models"])
    return f"---\n{SpaceCardData(**wanted).to_yaml()}\n---\n"


def check() -> None:
    """Hold the README's front matter to `spaces.yml`, and its tables to the code.

    Raises:
        CompressionError: They differ; the message names the first line that does.
    """
    text = README.read_text(encoding="utf-8")
    if not FRONT_MATTER.match(text):
        raise CompressionError(
            "README.md has no front matter; `compress-lab space render` adds it."
        )
    wanted = render_text(text)
    if text == wanted:
        return
    pairs = zip_longest(text.splitlines(), wanted.splitlines(), fillvalue="")
    has, wants = next(pair for pair in pairs if pair[0] != pair[1])
    raise CompressionError(
        f"README.md differs from what it is made from: it has {has!r} and should have {wants!r}. "
        "`compress-lab space render` writes those parts."
    )


def render_text(text: str) -> str:
    """Return a README with front matter and generated tables as they should be."""
    body = FRONT_MATTER.sub("", text, count=1).lstrip("\n")
    return f"{front_matter()}\n{fill(body)}"


def render() -> bool:
    """Write front matter and tables into the README; return whether it changed."""
    text = README.read_text(encoding="utf-8")
    new = render_text(text)
    if new == text:
        return False
    atomic_write(README, new)
    return True


def write_pins(commits: dict[str, str]) -> None:
    """Write commits into `spaces.yml`, leaving its comments and order as they are.

    Raises:
        CompressionError: A model is not listed there.
    """
    text = profiles.SPACES_FILE.read_text(encoding="utf-8")
    for name, commit in commits.items():
        line = re.compile(rf"^(  {re.escape(name)}:).*$", re.MULTILINE)
        if not line.search(text):
            raise CompressionError(f"spaces.yml does not list the model {name}.")
        text = line.sub(rf"\1 {commit}", text)
    atomic_write(profiles.SPACES_FILE, text)
    profiles.settings.cache_clear()
