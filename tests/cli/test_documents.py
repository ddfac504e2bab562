"""README.md and assets/docs: generated blocks, links, pictures and code samples."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
import torch

from compress_lib.cli.space import documents
from compress_lib.methods import METHODS, build_method
from compress_lib.methods.statistics import Statistics
from compress_lib.utils.paths import ROOT

README = ROOT / "README.md"
TEXTS = {
    path: path.read_text(encoding="utf-8")
    for path in (README, *sorted(documents.DOCS.glob("*.md")))
}


def code(language: str, word: str) -> str:
    """The first block of a language that contains a word."""
    blocks: list[str] = re.findall(
        rf"```{language}\n(.*?)```", "\n".join(TEXTS.values()), re.DOTALL
    )
    return next(block for block in blocks if word in block)


def test_generated_blocks_are_up_to_date() -> None:
    for path, text in TEXTS.items():
        assert documents.fill(text) == text, path.name
    marked = {mark for text in TEXTS.values() for mark in re.findall(r"<!-- ([\w-]+) -->", text)}
    assert marked == set(documents.BLOCKS)


def test_every_method_has_its_row_and_its_options() -> None:
    text = TEXTS[documents.DOCS / "methods.md"]
    for name in METHODS:
        assert f"| [`{name}`](#{name}) |" in text
        assert f"\n### {name}\n" in text


def test_the_readme_is_short_and_links_every_document() -> None:
    assert TEXTS[README].count("\n") <= 220
    for path in TEXTS.keys() - {README}:
        assert f"](assets/docs/{path.name})" in TEXTS[README], path.name


def test_links_lead_somewhere() -> None:
    for path, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_recipe_for_a_new_method_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # The new method is gone again after the test.
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS))
    # Dataclasses look their module up by name.
    monkeypatch.setitem(sys.modules, "recipe", ModuleType("recipe"))
    exec(code("python", "@register"), sys.modules["recipe"].__dict__)
    method = build_method("random_projection", {"seed": 3})
    weight = torch.randn(40, 10)
    matrix = method.compress_within(weight, weight.nbytes // 2, Statistics())
    assert matrix.nbytes <= weight.nbytes // 2
    assert 0 < float((matrix.to_dense() - weight).norm()) < float(weight.norm())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_six_lines_of_python_run(real_home: None, capsys: pytest.CaptureFixture[str]) -> None:
    exec(code("python", "run_plan"), {})
    assert "bytes" in capsys.readouterr().out


def test_pictures_and_files_that_are_named_exist() -> None:
    for path, text in TEXTS.items():
        for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
            assert (path.parent / name).is_file(), name
        for name in re.findall(r"`((?:assets|tests|compress_lib)/[\w/.-]+)`", text):
            assert (ROOT / name).exists(), f"{path.name}: {name}"


def test_the_tree_names_what_is_there() -> None:
    tree = code("text", "app.py")
    for name in re.findall(r"^  ([\w/]+(?:\.py)?)", tree, re.MULTILINE):
        assert (ROOT / "compress_lib" / name).exists(), name
