"""Compression Lab: compress transformer models offline and measure the cost.

Importing the package is cheap: torch is imported on first use. The import registers a hook that
lets transformers load the checkpoints written by `save_compressed`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

from compress_lib.errors import CompressionError
from compress_lib.models.hf_hook import install_hook

if TYPE_CHECKING:
    __version__: str

    from compress_lib.compression.compress import compress_at_once, compress_model
    from compress_lib.data.text_spec import TextSpec
    from compress_lib.methods import METHODS
    from compress_lib.models.checkpoint import load_compressed, save_compressed
    from compress_lib.models.loading import LanguageModel, load_model
    from compress_lib.models.targets import Target
    from compress_lib.plan.allocation import allocate
    from compress_lib.plan.plan import Generation, Plan
    from compress_lib.plan.rule import Rule
    from compress_lib.results.describe import targets_frame, to_frame
    from compress_lib.results.records import RunRecord
    from compress_lib.results.store import Store
    from compress_lib.runs.execute import execute, run_plan

_MODULES = {
    "METHODS": "methods",
    "Generation": "plan.plan",
    "LanguageModel": "models.loading",
    "Plan": "plan.plan",
    "Rule": "plan.rule",
    "RunRecord": "results.records",
    "Store": "results.store",
    "Target": "models.targets",
    "TextSpec": "data.text_spec",
    "allocate": "plan.allocation",
    "compress_at_once": "compression.compress",
    "compress_model": "compression.compress",
    "execute": "runs.execute",
    "load_compressed": "models.checkpoint",
    "load_model": "models.loading",
    "run_plan": "runs.execute",
    "save_compressed": "models.checkpoint",
    "targets_frame": "results.describe",
    "to_frame": "results.describe",
}
"""Submodule that defines each public name; imported lazily on first use."""


def __getattr__(name: str) -> Any:
    """Import a public name on first access."""
    if name == "__version__":
        value: Any = _version()
    elif name in _MODULES:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _version() -> str:
    """Return the version of the installed package, or of the checkout if it is not installed."""
    try:
        return importlib.metadata.version("compress-lab")
    except importlib.metadata.PackageNotFoundError:
        import tomllib

        from compress_lib.utils.paths import ROOT

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return str(project["version"])


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
    "targets_frame",
    "to_frame",
]
