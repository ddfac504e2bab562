"""Import hook that registers our checkpoint format with transformers, without importing it.

`transformers.quantizers.auto` contains the registry of checkpoint formats. If it is already
loaded, our format is added immediately; otherwise a meta path finder adds it when the module is
imported. `import compress_lib` thus takes milliseconds, and `from_pretrained` works in either
import order.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

REGISTRY = "transformers.quantizers.auto"


class _Loader(importlib.abc.Loader):
    """Loader that runs the original loader of the registry, then adds our format."""

    def __init__(self, original: importlib.abc.Loader) -> None:
        self._original = original

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._original.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._original.exec_module(module)
        _register()


class _Finder(importlib.abc.MetaPathFinder):
    """Finder that intercepts only the import of the registry."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != REGISTRY:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def install_hook() -> None:
    """Register our checkpoint format with transformers, now or as soon as it is imported."""
    if REGISTRY in sys.modules:
        _register()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _register() -> None:
    import compress_lib.models.hf_quantizer  # noqa: F401 - registers itself
