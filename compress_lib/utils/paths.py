"""File locations of a checkout: the root, and the assets that are read at run time."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder of pyproject.toml, README.md and spaces.yml."""

ASSETS = ROOT / "assets"
