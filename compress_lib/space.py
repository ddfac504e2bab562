"""The Space: everything that differs between hosts comes from `spaces.yml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SPACES_FILE = ROOT / "spaces.yml"


@cache
def settings() -> dict[str, Any]:
    """Return the content of `spaces.yml`, empty where the library came without it."""
    import yaml

    if not SPACES_FILE.exists():
        return {}
    loaded: dict[str, Any] = yaml.safe_load(SPACES_FILE.read_text(encoding="utf-8"))
    return loaded


def pins() -> dict[str, str]:
    """Return the commits that are pinned, by Hub id."""
    models = settings().get("models") or {}
    return {name: commit for name, commit in models.items() if commit}
