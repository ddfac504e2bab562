"""Studies: experiments of many runs, one file each; every file of this folder registers itself.

A study is a list of independently measured cells, so it can be stopped and resumed. Does not
import torch until something is measured.
"""

from __future__ import annotations

from compress_lib.runs.studies.base import STUDIES, Study, StudyCell, build_study
from compress_lib.runs.studies.library import load_studies
from compress_lib.runs.studies.record import StudyRecord
from compress_lib.utils.registry import import_registered

import_registered(__name__, __path__)

__all__ = ["STUDIES", "StudyCell", "Study", "StudyRecord", "build_study", "load_studies"]
