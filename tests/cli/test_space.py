"""spaces.yml and README agree, and pins are commits or nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from compress_lib.cli.main import main
from compress_lib.cli.space import documents, front_matter
from compress_lib.errors import CompressionError
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.utils import profiles
from compress_lib.utils.paths import ASSETS, ROOT


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work on copies of both files and of the documents."""
    for name in ("spaces.yml", "README.md"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(profiles, "SPACES_FILE", tmp_path / "spaces.yml")
    monkeypatch.setattr(front_matter, "README", tmp_path / "README.md")
    monkeypatch.setattr(documents, "DOCS", tmp_path / "docs")
    copytree(ASSETS / "docs", tmp_path / "docs")
    profiles.settings.cache_clear()
    yield tmp_path
    profiles.settings.cache_clear()


def test_the_readme_has_the_front_matter_of_spaces_yml() -> None:
    assert main(["space", "check"]) == 0


def test_every_model_of_the_catalogue_is_listed() -> None:
    listed = yaml.safe_load((ROOT / "spaces.yml").read_text(encoding="utf-8"))["models"]
    assert set(listed) == {entry.hub_id for entry in CATALOGUE.values()}


def test_gradio_is_the_one_that_pyproject_allows() -> None:
    wanted = profiles.settings()["space"]["sdk_version"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "gradio>=6.31,<7" in project["dependencies"]
    assert wanted.split(".")[0] == version("gradio").split(".")[0]


def test_drift_is_found_and_mended(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = copies / "README.md"
    readme.write_text(readme.read_text().replace("sdk: gradio", "sdk: docker"))
    assert main(["space", "check"]) == 2
    assert "'sdk: docker'" in capsys.readouterr().err
    assert main(["space", "render"]) == 0
    assert main(["space", "check"]) == 0
    assert main(["space", "render"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_drift_of_a_document_is_found_and_mended(
    copies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = copies / "docs" / "metrics.md"
    document.write_text(document.read_text().replace("| Perplexity |", "| Surprise |"))
    assert main(["space", "check"]) == 2
    assert "metrics.md is out of date" in capsys.readouterr().err
    assert main(["space", "render"]) == 0
    assert "metrics.md" in capsys.readouterr().out
    assert main(["space", "check"]) == 0


def test_a_readme_without_front_matter_gets_one(copies: Path) -> None:
    (copies / "README.md").write_text("# Title\n")
    with pytest.raises(CompressionError, match="no front matter"):
        front_matter.check()
    assert front_matter.render()
    front_matter.check()
    assert (copies / "README.md").read_text().endswith("\n# Title\n")


def test_pins_are_written_where_the_model_stands(copies: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    front_matter.write_pins({"openai-community/gpt2": commit})
    assert profiles.pins() == {"openai-community/gpt2": commit}
    assert "# Commits are written by" in (copies / "spaces.yml").read_text()
    with pytest.raises(CompressionError, match="does not list"):
        front_matter.write_pins({"no/model": commit})


def test_an_invented_pin_is_refused(copies: Path) -> None:
    front_matter.write_pins({"openai-community/gpt2": "main"})
    with pytest.raises(CompressionError, match="40 hex digits"):
        front_matter.check()


def test_a_long_description_is_refused(copies: Path) -> None:
    file = copies / "spaces.yml"
    wanted = "short_description: What does"
    file.write_text(file.read_text().replace(wanted, wanted + " it " + "really " * 9))
    with pytest.raises(CompressionError, match="Spaces allow 60"):
        front_matter.check()
