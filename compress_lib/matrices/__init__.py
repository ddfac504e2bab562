"""Storage forms of compressed matrices, one module each; each module registers its form."""

from __future__ import annotations

from compress_lib.matrices.base import FORMS, CompressedMatrix, matrix_from_spec
from compress_lib.utils.registry import import_registered

import_registered(__name__, __path__)

from compress_lib.matrices.dense import DenseMatrix  # noqa: E402
from compress_lib.matrices.factored.low_rank import LowRankMatrix  # noqa: E402

__all__ = ["FORMS", "CompressedMatrix", "DenseMatrix", "LowRankMatrix", "matrix_from_spec"]
