"""The tabs of the results, one file each: the folder is scanned."""

from __future__ import annotations

import importlib
import pkgutil

from compress_lib.ui.tabs.base import TABS, ResultTab, Wiring, register, result_tabs

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["TABS", "ResultTab", "Wiring", "register", "result_tabs"]
