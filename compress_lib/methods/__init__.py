"""Method registry: every module in this package is imported and registers its method."""

from __future__ import annotations

from compress_lib.methods.base import (
    METHODS,
    Method,
    Option,
    OptionValue,
    Preview,
    build_method,
    is_sized,
    preset_of,
    preset_options,
)
from compress_lib.utils.registry import import_registered

import_registered(__name__, __path__)

__all__ = [
    "METHODS",
    "Method",
    "Option",
    "OptionValue",
    "Preview",
    "build_method",
    "is_sized",
    "preset_of",
    "preset_options",
]
