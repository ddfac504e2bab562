"""Taking a run away: as code, as a notebook, as a page of its own, as a model card."""

from __future__ import annotations
