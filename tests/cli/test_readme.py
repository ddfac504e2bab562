"""What README.md tells people to type works, and what it shows exists."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
import torch

from compress_lib.cli.space import readme
from compress_lib.methods import METHODS, build_method
from compress_lib.methods.statistics import Statistics
from compress_lib.utils.paths import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def code(language: str, word: str) -> str:
    """The first block of a language that contains a word."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return next(block for block in blocks if word in block)


def test_every_method_has_its_row() -> None:
    assert readme.fill(TEXT) == TEXT
    for name in METHODS:
        assert f"| `{name}` |" in TEXT


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
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT):
        assert (ROOT / name).is_file(), name
    for name in re.findall(r"`(assets/[\w/.-]+|tests/[\w/.-]+)`", TEXT):
        assert (ROOT / name).exists(), name


def test_the_tree_names_what_is_there() -> None:
    tree = code("text", "app.py")
    for name in re.findall(r"^  ([\w/]+(?:\.py)?)", tree, re.MULTILINE):
        assert (ROOT / "compress_lib" / name).exists(), name
