"""Texts to measure and to calibrate with, one file each; every file here adds itself."""

from __future__ import annotations

import importlib
import pkgutil

from compress_lib.corpora.base import CORPORA, Corpus, Split, Text, read_text

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["CORPORA", "Corpus", "Split", "Text", "read_text"]
