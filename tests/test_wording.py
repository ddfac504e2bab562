"""Wording: texts for users avoid the listed jargon, and docstrings name the thing first."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from compress_lib.cli.parser import make_parser
from compress_lib.cli.space.documents import DOCS
from compress_lib.data.corpora import CORPORA
from compress_lib.methods import METHODS
from compress_lib.results.metrics import ERRORS, METRICS
from compress_lib.runs.studies import STUDIES
from compress_lib.ui.common import texts
from compress_lib.utils.options import declared_options
from compress_lib.utils.paths import ASSETS, ROOT

JARGON = re.compile(
    r"\bshare[sd]? out|sharing out|\bforetold|\bforetell|holds the truth|passed over|"
    r"measured beforehand|\btake[ns]? away|\bwhoever|\blikeliest|same first|left as it is|"
    r"held against|nobody can tell|\bsays? how far|who is near|keys and values|\btold\b|"
    r"\bas it came|\bone's own|\bhesitates?\b|\bminds\b|\bsomebody|\bshall\b|for anyone to",
    re.IGNORECASE,
)
"""Words that are no terms of the field: allocate, predicted, precomputed, skipped, export, …"""

SPACED = re.compile(r"[\d}] %(?!\w)|[\d}] ×(?! [\d{])")
"""A percent or multiplication sign after a space; 2 × 3 keeps its spaces."""

SOURCES = sorted((ROOT / "compress_lib").rglob("*.py"))
FOREIGN = ROOT / "compress_lib" / "ui" / "common" / "languages"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*_strings(key), *_strings(inner))
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _strings(inner)


def _help(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield parser.description or ""
    for action in parser._actions:
        yield action.help or ""
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _help(inner)


def _page() -> Iterator[str]:
    for name, value in vars(texts).items():
        if name.isupper():
            yield from _strings(value)
    yield from _strings(yaml.safe_load((ASSETS / "lessons" / "tour.yml").read_text("utf-8")))


def _registries() -> Iterator[str]:
    for metric in {**METRICS, **ERRORS}.values():
        yield from (metric.label, metric.meaning)
    for method in METHODS.values():
        yield from (method.label, method.summary)
        for one in declared_options(method):
            yield from (one.label, one.help)
    for study in STUDIES.values():
        yield from (study.label, study.question, *study.columns.values())
    yield from (corpus.label for corpus in CORPORA.values())


def _documents() -> Iterator[str]:
    for path in (ROOT / "README.md", *DOCS.glob("*.md")):
        yield from path.read_text(encoding="utf-8").splitlines()


TEXTS = {
    "page": _page,
    "registries": _registries,
    "command line": lambda: _help(make_parser()),
    "documents": _documents,
}


@pytest.mark.parametrize("place", TEXTS)
def test_texts_for_users_are_free_of_jargon(place: str) -> None:
    assert texts.LANGUAGE == "en"
    found = list(TEXTS[place]())
    assert len(found) > 20
    assert [text for text in found if JARGON.search(text)] == []


@pytest.mark.parametrize("place", TEXTS)
def test_percent_and_times_follow_their_number(place: str) -> None:
    # Tables of the studies have a multiplication sign as a column's unit.
    assert [text for text in TEXTS[place]() if SPACED.search(text)] == []


def test_the_code_is_free_of_jargon() -> None:
    lines = {
        f"{path.relative_to(ROOT)}:{number}": line.strip()
        for path in SOURCES
        if FOREIGN not in path.parents
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if JARGON.search(line)
    }
    assert lines == {}


def test_no_docstring_opens_with_what() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and str(node.value.value).startswith("What ")
    ]
    assert found == []


def test_jargon_is_recognised() -> None:
    assert JARGON.search("its bytes are shared out by loss")
    assert JARGON.search("Whoever opens it")
    assert not JARGON.search("the allocated bytes are predicted, and compared with the baseline")
    assert SPACED.search("95 % below")
    assert SPACED.search("{ratio} × baseline")
    assert not SPACED.search("a matrix of 576 × 576, 95% of it, 1.8× the original")
