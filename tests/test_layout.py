"""Architecture rules: import contracts, layout budgets, and names that must not appear."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

from compress_lib.utils.paths import ROOT

PACKAGE = ROOT / "compress_lib"
TOP_LEVEL = {"pyproject.toml", "README.md", "app.py", "compress_lib", "assets", "tests"}
TOP_LEVEL |= {"spaces.yml"}
MOST_MODULES = 15
"""Modules of a folder without sub-folders."""

TORCH_FREE: tuple[str, ...] = (
    "plan",
    "results",
    "data.text_spec",
    "data.corpora",
    "models.targets",
)
TORCH_FREE += ("models.catalogue", "methods", "runs.studies", "cli.main", "utils.files")


def test_imports_keep_the_contracts_of_pyproject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def _modules(folder: Path) -> list[Path]:
    return [file for file in folder.glob("*.py") if file.name != "__init__.py"]


def test_folders_stay_small() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 4
    for folder in [path for path in PACKAGE.rglob("*") if path.is_dir()]:
        files = _modules(folder)
        if files and not any(path.is_dir() and _modules(path) for path in folder.iterdir()):
            assert len(files) <= MOST_MODULES, folder


def _registers(module: str) -> bool:
    """Whether a module is found by a registry rather than by an import."""
    file = ROOT / (module.replace(".", "/") + ".py")
    return file.exists() and "\n@register" in file.read_text(encoding="utf-8")


def test_no_module_lies_above_its_only_importer() -> None:
    """A module that one sub-folder needs belongs there; what other rooms import is an interface."""
    graph = grimp.build_graph("compress_lib", cache_dir=None)
    above = []
    for module in sorted(graph.modules):
        importers = graph.find_modules_that_directly_import(module)
        home = module.rpartition(".")[0]
        if len(importers) == 1 and home != "compress_lib" and not _registers(module):
            (importer,) = importers
            folder = importer.rpartition(".")[0]
            if importer != home and folder != home and folder.startswith(f"{home}."):
                above.append(f"{module} is imported by {importer} only")
    assert not above


def test_no_public_class_name_is_used_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


@pytest.mark.parametrize("module", TORCH_FREE)
def test_planning_and_results_load_no_torch(module: str) -> None:
    code = f"import compress_lib.{module}, pkgutil, importlib, sys\n"
    code += f"package = compress_lib.{module}\n"
    code += "names = pkgutil.iter_modules(getattr(package, '__path__', ()))\n"
    if module in ("plan", "results", "data.corpora"):
        code += f"[importlib.import_module(f'compress_lib.{module}.{{n.name}}') for n in names]\n"
    code += "assert not {'torch', 'transformers', 'gradio', 'plotly'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _sources() -> Iterator[tuple[Path, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, path.read_text(encoding="utf-8")


def test_no_model_is_known_by_name_outside_the_catalogue() -> None:
    for path, text in _sources():
        if path.name == "catalogue.py":
            continue
        for name in ("smollm", "distilgpt", "pythia", "qwen"):
            assert name not in text.lower(), f"{path.name} speaks of {name}"


def test_the_top_level_holds_what_it_should() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    tops = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL
