"""What `spaces.yml` says of hosts: limits by profile, and the commits of models."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from compress_lib.errors import unknown_name
from compress_lib.utils.paths import ROOT

SPACES_FILE = ROOT / "spaces.yml"

LOCAL, SPACE = "local", "cpu-basic"
PROFILE = "COMPRESS_LAB_PROFILE"
"""The environment variable that names the profile; a bundle, a Space and a laptop have theirs."""

LENT_SECONDS = "lent_gpu_seconds"
"""The limit that says that runs go to a GPU which is lent for so long."""

DEFAULT_LIMITS = {"queued_jobs": 16, "jobs_each": 4, "loaded_models": 2, "sweep_plans": 24}
"""Where the library came without `spaces.yml`."""


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


def profiles() -> dict[str, dict[str, int]]:
    """Return the profiles of `spaces.yml` by name, each with all its limits."""
    found: dict[str, dict[str, int]] = settings().get("profiles") or {LOCAL: DEFAULT_LIMITS}
    return {name: {**DEFAULT_LIMITS, **found[LOCAL], **limits} for name, limits in found.items()}


def use_profile(name: str) -> None:
    """Let this process serve by a profile.

    Raises:
        CompressionError: There is none of this name.
    """
    if name not in profiles():
        raise unknown_name("profile", name, profiles())
    os.environ[PROFILE] = name


def limits() -> dict[str, int]:
    """Return what this process serves at most, by what is limited; what is not there has none."""
    usual = settings().get("profile") or (SPACE if "SPACE_ID" in os.environ else LOCAL)
    name = os.environ.get(PROFILE) or usual
    known = profiles()
    if name not in known:
        raise unknown_name(f"profile (in {PROFILE})", name, known)
    return known[name]
