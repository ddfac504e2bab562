"""File locations of a checkout: the root and the runtime assets."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Folder of pyproject.toml, README.md and spaces.yml."""

ASSETS = ROOT / "assets"
