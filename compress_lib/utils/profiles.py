"""Resource limits per deployment profile and pinned model commits, read from `spaces.yml`."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from compress_lib.errors import unknown_name
from compress_lib.utils.paths import ROOT

SPACES_FILE = ROOT / "spaces.yml"

LOCAL, SPACE = "local", "cpu-basic"
PROFILE = "COMPRESS_LAB_PROFILE"
"""Environment variable that selects the profile; bundles, Spaces and laptops have defaults."""

LENT_SECONDS = "lent_gpu_seconds"
"""Limit that enables ZeroGPU: seconds for which a GPU is allocated to a run."""

DEFAULT_LIMITS = {"queued_jobs": 16, "jobs_each": 4, "loaded_models": 2, "sweep_plans": 24}
"""Limits used if `spaces.yml` is not installed."""


@cache
def settings() -> dict[str, Any]:
    """Return the content of `spaces.yml`, empty if it is not installed."""
    import yaml

    if not SPACES_FILE.exists():
        return {}
    loaded: dict[str, Any] = yaml.safe_load(SPACES_FILE.read_text(encoding="utf-8"))
    return loaded


def pins() -> dict[str, str]:
    """Return the pinned model commits by Hub id."""
    models = settings().get("models") or {}
    return {name: commit for name, commit in models.items() if commit}


def profiles() -> dict[str, dict[str, int]]:
    """Return all limits of each profile in `spaces.yml`, by profile name.

    Limits that a profile omits are taken from the local profile, then from `DEFAULT_LIMITS`.
    """
    stored: dict[str, dict[str, int]] = settings().get("profiles") or {LOCAL: DEFAULT_LIMITS}
    return {name: {**DEFAULT_LIMITS, **stored[LOCAL], **limits} for name, limits in stored.items()}


def use_profile(name: str) -> None:
    """Select the profile of this process.

    Raises:
        CompressionError: No profile has this name.
    """
    if name not in profiles():
        raise unknown_name("profile", name, profiles())
    os.environ[PROFILE] = name


def limits() -> dict[str, int]:
    """Return the limits of this process's profile by name; a missing entry means no limit.

    Raises:
        CompressionError: The environment variable names an unknown profile.
    """
    default = settings().get("profile") or (SPACE if "SPACE_ID" in os.environ else LOCAL)
    name = os.environ.get(PROFILE) or default
    available = profiles()
    if name not in available:
        raise unknown_name(f"profile (in {PROFILE})", name, available)
    return available[name]
