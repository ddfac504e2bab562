"""Compression methods, one file each; every file of this folder is imported and adds itself."""

from __future__ import annotations

import importlib
import pkgutil

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

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

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
