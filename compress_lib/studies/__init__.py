"""Questions that take many runs, one file each; every file of this folder adds itself.

A study is a list of cells, each measured by itself, so that it can be stopped and resumed. Knows
no torch until something is measured.
"""

from __future__ import annotations

import importlib
import pkgutil

from compress_lib.studies.base import STUDIES, Cell, Study, build_study
from compress_lib.studies.library import load_studies
from compress_lib.studies.record import StudyRecord

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["STUDIES", "Cell", "Study", "StudyRecord", "build_study", "load_studies"]
