"""Storage forms of compressed matrices, one file each; every file here adds itself."""

from __future__ import annotations

import importlib
import pkgutil

from compress_lib.matrices.base import FORMS, CompressedMatrix, matrix_from_spec

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

from compress_lib.matrices.dense import DenseMatrix  # noqa: E402
from compress_lib.matrices.low_rank import LowRankMatrix  # noqa: E402

__all__ = ["FORMS", "CompressedMatrix", "DenseMatrix", "LowRankMatrix", "matrix_from_spec"]
