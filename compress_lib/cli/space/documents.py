"""Markdown generator: fills the marked blocks of README.md and `assets/docs` from the code."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from compress_lib.data.corpora import CORPORA
from compress_lib.methods import METHODS
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.results.describe import describe
from compress_lib.results.landmarks import load_landmarks
from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord
from compress_lib.runs.studies import load_studies
from compress_lib.runs.studies.findings import findings
from compress_lib.runs.studies.quality.rows import load_rows
from compress_lib.runs.studies.quality.table import NAME as QUALITY
from compress_lib.runs.studies.record import format_value
from compress_lib.utils import profiles
from compress_lib.utils.formatting import format_perplexity, format_share
from compress_lib.utils.options import declared_options
from compress_lib.utils.paths import ASSETS

DOCS = ASSETS / "docs"

MARKS = re.compile(r"(<!-- ([\w-]+) -->\n)(.*?)(<!-- /\2 -->)", re.DOTALL)

STUDY_COLUMNS = (
    *("matrices", "times_smaller", "grouping", "method"),
    *("direction_error", "rmse", "perplexity", "kl", "note"),
)
"""Columns of a paper's grid in the documents; `assets/landmarks/studies` has all of them."""

QUALITY_COLUMNS = (
    *("method", "keep", "megabytes", "share", "perplexity", "kl", "top1"),
    *("second_perplexity", "second_kl", "estimate", "seconds", "note"),
)
"""Columns of `bench quality` in the documents; `assets/landmarks/quality` has all of them."""

CHOICES = (
    ("half the size, no visible loss", "int8", "--method int8"),
    (
        "smallest model at good quality",
        "mixed-automatic-0.3",
        "--method mixed --keep 0.3 --allocation automatic",
    ),
    ("4 bits, as other programs store them", "int4-gptq", "--method int4 --option algorithm=gptq"),
    (
        "factorization alone, 16 bits",
        "two_sided_svd-automatic-pivoted-0.8",
        "--method two_sided_svd --keep 0.8 --allocation automatic --option storage=pivoted",
    ),
    (
        "factorization with 8-bit factors",
        "two_sided_svd-automatic-pivoted-8-0.5",
        "--method two_sided_svd --keep 0.5 --allocation automatic --option storage=pivoted "
        "--option factor_bits=8",
    ),
    ("baseline: rounding rows to 8 bits", "rows-8", "--method row_quantization --keep 0.51"),
    ("baseline: pruning", "magnitude_pruning-0.8", "--method magnitude_pruning --keep 0.8"),
    ("baseline: plain SVD", "svd-0.8", "--method svd --keep 0.8"),
)
"""Goals, rows of `bench quality` and their options on the command line."""


def fill(text: str) -> str:
    """Return a document with each block between `<!-- name -->` markers generated anew."""

    def block(found: re.Match[str]) -> str:
        make = BLOCKS.get(found[2])
        if make is None:
            return found[0]
        return found[1] + "".join(f"{row}\n" for row in make()) + found[4]

    return MARKS.sub(block, text)


def _methods() -> list[str]:
    return _table(
        ("method", "label", "summary", "source"),
        (
            (f"[`{method.name}`](#{method.name})", method.label, method.summary, method.paper)
            for method in METHODS.values()
        ),
    )


def _options() -> list[str]:
    lines: list[str] = []
    for method in METHODS.values():
        lines += [f"### {method.name}", "", f"{method.label}. {method.summary}", ""]
        options = declared_options(method)
        if not options:
            lines += ["No options.", ""]
            continue
        rows = (
            (
                f"`{one.name}`",
                f"`{one.default}`" if str(one.default) else "empty",
                one.help + (f" One of {', '.join(one.choices)}." if one.choices else ""),
            )
            for one in options
        )
        lines += [*_table(("option", "default", "meaning"), rows), ""]
    return lines


def _choices() -> list[str]:
    rows = {row.name: row for row in load_rows()}
    lines = []
    for goal, name, flags in CHOICES:
        found = rows[name].found
        assert found is not None
        size = format_share(found.memory.share, 0)
        perplexity = format_perplexity(found.text.perplexity.compressed)
        lines.append((goal, f"`{flags}`", size, perplexity))
    return _table(("goal", "options of `compress-lab run`", "size", "perplexity"), lines)


def _metrics() -> list[str]:
    return _table(
        ("metric", "better", "definition"),
        (
            (
                metric.label + (f" ({metric.unit})" if metric.unit not in ("", "×") else ""),
                "lower" if metric.lower_is_better else "higher",
                metric.meaning,
            )
            for metric in METRICS.values()
        ),
    )


def _models() -> list[str]:
    return _table(
        ("name", "Hub ID", "parameters", "licence"),
        (
            (
                f"`{entry.name}`",
                entry.hub_id,
                f"{entry.parameters / 1e6:.0f} million",
                entry.license + (", gated" if entry.gated else ""),
            )
            for entry in CATALOGUE.values()
        ),
    )


def _texts() -> list[str]:
    return _table(
        ("corpus", "content", "licence"),
        ((f"`{c.name}`", c.label, c.license) for c in CORPORA.values()),
    )


def _landmarks() -> list[str]:
    return _table(
        ("run", "perplexity", "size", "top-1 agreement", "direction error"),
        (_landmark(record) for record in load_landmarks()),
    )


def _landmark(record: RunRecord) -> tuple[str, ...]:
    memory, metrics = record.memory, record.metrics()
    direction = metrics["direction_error"]
    return (
        describe(record),
        format_perplexity(record.perplexity.compressed),
        f"{memory.compressed_bytes / 1e6:.0f} MB ({format_share(memory.share, 0)})",
        format_share(record.agreement.top1),
        "" if direction is None else f"{direction:.4f}",
    )


def _study(name: str, wanted: Sequence[str] = STUDY_COLUMNS) -> list[str]:
    """Return the findings of a study, and its rows without the minor columns."""
    record = load_studies().get(name)
    if record is None:
        return []
    columns = [column for column in wanted if column in record.columns]
    rows = [tuple(format_value(row.get(column)) for column in columns) for row in record.rows]
    header = tuple(record.columns[column] for column in columns)
    about = f"- {record.model.id}, baseline perplexity {record.baseline:.2f} on {record.text}."
    return [*([about] if name == QUALITY else []), *_findings(name), "", *_table(header, rows)]


def _findings(name: str) -> list[str]:
    record = load_studies().get(name)
    return [] if record is None else [f"- {sentence}" for sentence in findings(record)]


def _commands() -> list[str]:
    from compress_lib.cli.parser import make_parser

    lines: list[str] = []
    for name, parser in _subparsers(make_parser()).items():
        lines += [f"## compress-lab {name}", "", f"{_sentence(parser.description)}", ""]
        rows = [
            (f"`{_invocation(action)}`", _sentence(action.help))
            for action in parser._actions
            if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        ]
        lines += [*_table(("argument", "meaning"), rows), ""] if rows else []
    return lines


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of all commands by name, commands of commands included."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                found |= {name: inner}
                found |= {f"{name} {k}": v for k, v in _subparsers(inner).items()}
    return found


def _invocation(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ", ".join(action.option_strings)
    value = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
    # A cell must not contain the separator of cells.
    value = str(value).replace("|", " or ")
    return ", ".join(f"{one} {value}" for one in action.option_strings) or value


def _sentence(text: str | None) -> str:
    """Return a help text with a capital and a full stop."""
    text = " ".join((text or "").replace("%%", "%").split())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") if text else ""


def _endpoints() -> list[str]:
    from compress_lib.ui.api.endpoints import Endpoints

    lines: list[str] = []
    for name, function in vars(Endpoints).items():
        if name.startswith("_") or name == Endpoints.register.__name__:
            continue
        hints = get_type_hints(function)
        answer = hints.pop("return")
        summary = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
        arguments = ", ".join(f"{key}: {_type_name(hint)}" for key, hint in hints.items())
        lines += [f"### `/{name}({arguments})`", "", summary, ""]
        for one in _answers(answer):
            title = (inspect.getdoc(one) or "").replace("\n", " ")
            fields = ((f"`{k}`", f"`{_type_name(v)}`") for k, v in get_type_hints(one).items())
            lines += [f"`{one.__name__}`: {title}", "", *_table(("field", "type"), fields), ""]
    return lines


def _answers(hint: Any) -> list[Any]:
    """Return the typed dictionaries of a return type, nested ones after their owner."""
    if is_typeddict(hint):
        inner = [one for value in get_type_hints(hint).values() for one in _answers(value)]
        return list(dict.fromkeys([hint, *inner]))
    return list(dict.fromkeys(one for part in get_args(hint) for one in _answers(part)))


def _type_name(hint: Any) -> str:
    if get_origin(hint) is None:
        return "null" if hint is type(None) else str(getattr(hint, "__name__", hint))
    parts = [_type_name(part) for part in get_args(hint)]
    if get_origin(hint) in (list, tuple, dict):
        return f"{get_origin(hint).__name__}[{', '.join(parts)}]"
    return " or ".join(parts)


def _profiles() -> list[str]:
    limits = profiles.settings()["profiles"]
    names = list(limits)
    keys = list(dict.fromkeys(key for profile in limits.values() for key in profile))
    rows = ((key.replace("_", " "), *(_limit(limits, name, key) for name in names)) for key in keys)
    return _table(("limit", *(f"`{name}`" for name in names)), rows)


def _limit(limits: dict[str, dict[str, int]], name: str, key: str) -> str:
    # A profile inherits the limits of `local` that it does not set.
    value = limits[name].get(key, limits["local"].get(key))
    return "none" if value is None else f"{value:,}"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


BLOCKS: dict[str, Callable[[], list[str]]] = {
    "methods": _methods,
    "options": _options,
    "choices": _choices,
    "metrics": _metrics,
    "models": _models,
    "texts": _texts,
    "landmarks": _landmarks,
    QUALITY: lambda: _study(QUALITY, QUALITY_COLUMNS),
    "p1": lambda: _study("p1"),
    "p2": lambda: _study("p2"),
    "direction_norm": lambda: _findings("direction_norm"),
    "sensitivity": lambda: _findings("sensitivity"),
    "commands": _commands,
    "endpoints": _endpoints,
    "profiles": _profiles,
}
"""Generators of the marked blocks, by name; each returns lines of Markdown."""
