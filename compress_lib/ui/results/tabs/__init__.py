"""Result tabs, one module each; importing this package registers all modules in the folder."""

from __future__ import annotations

from compress_lib.ui.results.tabs.base import TABS, ResultTab, Wiring, register, result_tabs
from compress_lib.utils.registry import import_registered

import_registered(__name__, __path__)

__all__ = ["TABS", "ResultTab", "Wiring", "register", "result_tabs"]
