"""Texts to measure and to calibrate with, one file each; every file here adds itself."""

from __future__ import annotations

from compress_lib.data.corpora.base import CORPORA, Corpus, Split, Text, read_text
from compress_lib.utils.registry import import_registered

import_registered(__name__, __path__)

__all__ = ["CORPORA", "Corpus", "Split", "Text", "read_text"]
