"""Python code generator for plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

from compress_lib.data.text_spec import TextSpec
from compress_lib.plan.plan import Plan

INDENT = "    "
WIDTH = 96

ALWAYS_WRITTEN: dict[str, tuple[str, ...]] = {
    "Plan": ("rules",),
    "Rule": ("pattern", "method", "keep"),
}
"""Fields by class that are written even if they have their default value."""


def python_code(plan: Plan) -> str:
    """Return a script that runs a plan and prints its cost; most default values are omitted."""
    used = ", ".join(["Plan", *sorted(_classes(plan) - {"Plan"}), "run_plan"])
    return (
        f"from compress_lib import {used}\n\n"
        f"plan = {constructor(plan)}\n"
        "record = run_plan(plan)\n"
        'print(record.perplexity.baseline, "→", record.perplexity.compressed)\n'
        'print(record.memory.baseline_bytes, "→", record.memory.compressed_bytes, "bytes")\n'
    )


def constructor(value: Any, depth: int = 0) -> str:
    """Return a Python expression that evaluates to an equal value.

    Args:
        value: A dataclass, of which `ALWAYS_WRITTEN` and non-default fields are written, or a
            tuple, list, mapping, string or number.
        depth: The level of indentation.
    """
    if not is_dataclass(value):
        return _plain(value, depth)
    parts = [
        f"{field.name}={constructor(getattr(value, field.name), depth + 1)}"
        for field in fields(value)
        if _is_written(value, field)
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
    # JSON strings have the double quotes of formatters, and Python reads the same escapes.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _format_call(name: str, parts: list[str], brackets: str, depth: int) -> str:
    """Return `name(parts)` on one line if it fits, else with one part per line."""
    opening, closing = brackets[0], brackets[1]
    line = f"{name}{opening}{', '.join(parts)}{closing}"
    if len(line) + len(INDENT) * depth <= WIDTH and "\n" not in line:
        return line
    inner = INDENT * (depth + 1)
    body = "".join(f"{inner}{part},\n" for part in parts)
    return f"{name}{opening}\n{body}{INDENT * depth}{closing}"


def _is_written(value: Any, field: Any) -> bool:
    if field.name in ALWAYS_WRITTEN.get(type(value).__name__, ()):
        return True
    given = _without_digest(getattr(value, field.name))
    return bool(field.name != "digest" and given != _default(field))


def _without_digest(value: Any) -> Any:
    """Return a `TextSpec` without the digest that reading the text adds."""
    return replace(value, digest=None) if isinstance(value, TextSpec) else value


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def _classes(value: Any) -> set[str]:
    """Return the names of the dataclasses in the expression of a value."""
    if not is_dataclass(value):
        items = value if isinstance(value, tuple | list) else ()
        return set().union(*(_classes(item) for item in items))
    names = {type(value).__name__}
    for field in fields(value):
        if _is_written(value, field):
            names |= _classes(getattr(value, field.name))
    return names
