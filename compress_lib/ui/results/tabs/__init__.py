"""The tabs of the results, one file each: the folder is scanned."""

from __future__ import annotations

from compress_lib.ui.results.tabs.base import TABS, ResultTab, Wiring, register, result_tabs
from compress_lib.utils.registry import import_registered

import_registered(__name__, __path__)

__all__ = ["TABS", "ResultTab", "Wiring", "register", "result_tabs"]
