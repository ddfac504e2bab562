"""Exports of runs: code, notebook, HTML report, model card and static site."""

from __future__ import annotations
