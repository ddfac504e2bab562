"""A plan as Python code that makes it again. Knows no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

from compress_lib.data.text_spec import TextSpec
from compress_lib.plan.plan import Plan

INDENT = "    "
WIDTH = 96

TOLD: dict[str, tuple[str, ...]] = {"Plan": ("rules",), "Rule": ("pattern", "method", "keep")}
"""What is said of a class even where it is usual: whoever reads it wants to know."""


def python_code(plan: Plan) -> str:
    """Return a script that runs a plan and tells its cost; what is usual is mostly left out."""
    used = ", ".join(["Plan", *sorted(_classes(plan) - {"Plan"}), "run_plan"])
    return (
        f"from compress_lib import {used}\n\n"
        f"plan = {constructor(plan)}\n"
        "record = run_plan(plan)\n"
        'print(record.perplexity.baseline, "→", record.perplexity.compressed)\n'
        'print(record.memory.baseline_bytes, "→", record.memory.compressed_bytes, "bytes")\n'
    )


def constructor(value: Any, depth: int = 0) -> str:
    """Return an expression for an equal value: of a dataclass, its unusual fields and `TOLD`."""
    if not is_dataclass(value):
        return _plain(value, depth)
    parts = [
        f"{field.name}={constructor(getattr(value, field.name), depth + 1)}"
        for field in fields(value)
        if _is_told(value, field)
    ]
    return _format_call(type(value).__name__, parts, "()", depth)


def _plain(value: Any, depth: int) -> str:
    if isinstance(value, tuple | list):
        parts = [constructor(item, depth + 1) for item in value]
        if len(parts) == 1 and isinstance(value, tuple):
            inner = parts[0]
            return f"({inner},)"
        return _format_call("", parts, "()" if isinstance(value, tuple) else "[]", depth)
    if isinstance(value, Mapping):
        parts = [
            f"{json.dumps(key)}: {constructor(item, depth + 1)}" for key, item in value.items()
        ]
        return _format_call("", parts, "{}", depth)
    # The quotes that formatters prefer; what JSON escapes, Python reads alike.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _format_call(name: str, parts: list[str], brackets: str, depth: int) -> str:
    """Return `name(parts)` in one line if it fits, else a part a line."""
    opening, closing = brackets[0], brackets[1]
    line = f"{name}{opening}{', '.join(parts)}{closing}"
    if len(line) + len(INDENT) * depth <= WIDTH and "\n" not in line:
        return line
    inner = INDENT * (depth + 1)
    body = "".join(f"{inner}{part},\n" for part in parts)
    return f"{name}{opening}\n{body}{INDENT * depth}{closing}"


def _is_told(value: Any, field: Any) -> bool:
    if field.name in TOLD.get(type(value).__name__, ()):
        return True
    return bool(field.name != "digest" and _unread(getattr(value, field.name)) != _usual(field))


def _unread(value: Any) -> Any:
    """Return a text as it was before it was read and known by its digest."""
    return replace(value, digest=None) if isinstance(value, TextSpec) else value


def _usual(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def _classes(value: Any) -> set[str]:
    """Return the names of the dataclasses that an expression calls."""
    if not is_dataclass(value):
        items = value if isinstance(value, tuple | list) else ()
        return set().union(*(_classes(item) for item in items))
    named = {type(value).__name__}
    for field in fields(value):
        if _is_told(value, field):
            named |= _classes(getattr(value, field.name))
    return named
