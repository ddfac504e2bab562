"""Compression Lab: find out what compressing a language model really costs.

Importing this package starts nothing heavy: torch is imported when it is first needed. It does
tell transformers how to read the checkpoints that `save_compressed` writes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from compress_lib._transformers_hook import install_hook
from compress_lib.errors import CompressionError

if TYPE_CHECKING:
    from compress_lib.allocation import allocate
    from compress_lib.checkpoint import load_compressed, save_compressed
    from compress_lib.compression import compress_at_once, compress_model
    from compress_lib.describe import to_frame
    from compress_lib.methods import METHODS
    from compress_lib.models import LanguageModel, load_model
    from compress_lib.plan import Generation, Plan, Rule, TextSpec
    from compress_lib.results import RunRecord
    from compress_lib.run import execute, run_plan
    from compress_lib.store import Store
    from compress_lib.targets import Target

__version__ = "0.1.0"

_PLACES = {
    "METHODS": "methods",
    "Generation": "plan",
    "LanguageModel": "models",
    "Plan": "plan",
    "Rule": "plan",
    "RunRecord": "results",
    "Store": "store",
    "Target": "targets",
    "TextSpec": "plan",
    "allocate": "allocation",
    "compress_at_once": "compression",
    "compress_model": "compression",
    "execute": "run",
    "load_compressed": "checkpoint",
    "load_model": "models",
    "run_plan": "run",
    "save_compressed": "checkpoint",
    "to_frame": "describe",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


install_hook()

__all__ = [
    "METHODS",
    "CompressionError",
    "Generation",
    "LanguageModel",
    "Plan",
    "Rule",
    "RunRecord",
    "Store",
    "Target",
    "TextSpec",
    "__version__",
    "allocate",
    "compress_at_once",
    "compress_model",
    "execute",
    "load_compressed",
    "load_model",
    "run_plan",
    "save_compressed",
    "to_frame",
]
