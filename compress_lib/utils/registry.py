"""Name → class registry: how methods, storage forms, corpora, studies and tabs are found."""

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
    """A class with the name it is registered under."""

    name: ClassVar[str]


T = TypeVar("T", bound=Named)
C = TypeVar("C", bound=type[Named])


class Registry(Mapping[str, type[T]], Generic[T]):
    """Classes by name, in alphabetical order; a class joins by the decorator `register`.

    Args:
        kind: What messages call an entry, e.g. "method".
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
        """Add a class under its `name`; a class decorator.

        Raises:
            TypeError: The name is taken.
        """
        taken = self._entries.get(entry.name)
        if taken is not None:
            files = f"{inspect.getfile(taken)} and {inspect.getfile(entry)}"
            raise TypeError(f"two entries of kind {self.kind} are named {entry.name!r}: {files}")
        self._entries[entry.name] = entry  # type: ignore[assignment]
        return entry

    def find(self, name: str) -> type[T]:
        """Return the class of a name.

        Raises:
            CompressionError: There is none; the message names the nearest.
        """
        if name not in self._entries:
            raise unknown_name(self.kind, name, self)
        return self._entries[name]


def import_registered(package: str, path: Iterable[str]) -> None:
    """Import every module below a package that registers a class.

    Modules without a decorator `@register…` are skipped: they hold the algorithms, and importing
    them would load torch before anything is computed.

    Args:
        package: The `__name__` of the package.
        path: Its `__path__`.
    """
    for module in pkgutil.walk_packages(path, f"{package}."):
        spec = find_spec(module.name)
        if spec is None or spec.origin is None or module.ispkg:
            continue
        if "\n@register" in Path(spec.origin).read_text(encoding="utf-8"):
            importlib.import_module(module.name)
