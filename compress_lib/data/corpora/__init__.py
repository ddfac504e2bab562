"""Corpora for evaluation and calibration, one per file; each file registers itself."""

from __future__ import annotations

from compress_lib.data.corpora.base import CORPORA, Corpus, Split, Text, read_text
from compress_lib.utils.registry import import_registered

import_registered(__name__, __path__)

__all__ = ["CORPORA", "Corpus", "Split", "Text", "read_text"]
