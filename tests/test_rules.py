"""The rules that hold for the whole tree: which way imports point, and what stays out."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "compress_lib"
ORDER = (
    "errors",
    "progress",
    "matrices",
    "modules",
    "targets",
    "calibration",
    "methods",
    "allocation",
    "compression",
    "run",
    "commands",
    "cli",
)
"""Imports at the top of a file point to the left only."""

TOP_LEVEL = {"pyproject.toml", "README.md", "app.py", "compress_lib", "assets", "tests"}
TOP_LEVEL |= {"spaces.yml"}


def files() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module, *, anywhere: bool) -> set[str]:
    """Names of imported modules: at the top of the file, or anywhere in it."""
    nodes = ast.walk(tree) if anywhere else iter(tree.body)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_imports_point_one_way() -> None:
    for name, tree in files():
        part = name.split(".")[1] if "." in name else ""
        if part not in ORDER:
            continue
        later = ORDER[ORDER.index(part) + 1 :]
        for imported in imports(tree, anywhere=False):
            target = imported.split(".")[1] if imported.startswith("compress_lib.") else ""
            assert target not in later, f"{name} imports {imported}"


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("gradio", ("compress_lib.ui",)),
        ("plotly", ("compress_lib.plots",)),
    ],
)
def test_the_page_and_its_charts_have_one_place(library: str, allowed: tuple[str, ...]) -> None:
    for name, tree in files():
        if name.startswith(allowed):
            continue
        roots = {imported.split(".")[0] for imported in imports(tree, anywhere=True)}
        assert library not in roots, name


def test_the_library_never_knows_the_page() -> None:
    for name, tree in files():
        if name.startswith(("compress_lib.ui", "compress_lib.commands.app")):
            continue
        assert not any(i.startswith("compress_lib.ui") for i in imports(tree, anywhere=True)), name


def test_planning_needs_no_torch() -> None:
    modules = "plan, results, allocation, targets, methods, catalogue, corpora, store, space"
    names = ", ".join(f"compress_lib.{name.strip()}" for name in modules.split(","))
    code = f"import {names}, sys; assert not {{'torch', 'transformers'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_model_is_known_by_name_outside_the_catalogue() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name == "catalogue.py":
            continue
        text = path.read_text(encoding="utf-8").lower()
        for name in ("smollm", "distilgpt", "pythia", "qwen"):
            assert name not in text, f"{path.name} speaks of {name}"


def test_the_top_level_holds_what_it_should() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    tops = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL
