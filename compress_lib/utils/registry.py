"""Name → class registry for methods, storage forms, corpora, studies and tabs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from compress_lib.errors import unknown_name


class Named(Protocol):
    """A class with a registry name."""

    name: ClassVar[str]


T = TypeVar("T", bound=Named)
C = TypeVar("C", bound=type[Named])


class Registry(Mapping[str, type[T]], Generic[T]):
    """Mapping from name to class, in alphabetical order; `register` is a class decorator.

    Args:
        kind: Name of an entry's kind in messages, e.g. "method".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, type[T]] = {}

    def __getitem__(self, name: str) -> type[T]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def register(self, entry: C) -> C:
        """Register a class under its `name` (class decorator).

        Raises:
            TypeError: Another class is registered under this name.
        """
        existing = self._entries.get(entry.name)
        if existing is not None:
            files = f"{inspect.getfile(existing)} and {inspect.getfile(entry)}"
            raise TypeError(f"duplicate {self.kind} name {entry.name!r} in {files}")
        self._entries[entry.name] = entry  # type: ignore[assignment]
        return entry

    def find(self, name: str) -> type[T]:
        """Return the class registered under a name.

        Raises:
            CompressionError: The name is unknown; the message suggests the nearest one.
        """
        if name not in self._entries:
            raise unknown_name(self.kind, name, self)
        return self._entries[name]


def import_registered(package: str, path: Iterable[str]) -> None:
    """Import every module of a package that registers a class.

    Modules without an `@register…` decorator are skipped: they contain the algorithms, and
    importing them would load torch before it is needed.

    Args:
        package: `__name__` of the package.
        path: `__path__` of the package.
    """
    for module in pkgutil.walk_packages(path, f"{package}."):
        spec = find_spec(module.name)
        if spec is None or spec.origin is None or module.ispkg:
            continue
        if "\n@register" in Path(spec.origin).read_text(encoding="utf-8"):
            importlib.import_module(module.name)
