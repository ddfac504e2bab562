"""Folders that start by themselves: whole, small, and without a word about this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest
import yaml

from compress_lib.cli.main import main
from compress_lib.cli.space.bundle import STATIC, bundle, bundles
from compress_lib.cli.space.front_matter import FRONT_MATTER
from compress_lib.errors import CompressionError
from compress_lib.results.landmarks import landmarks_by_name
from compress_lib.utils.paths import ROOT
from compress_lib.utils.profiles import profiles

LINK = re.compile(r'(?:href|src)="([^"#]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(STATIC, tmp_path_factory.mktemp("bundle") / "site")


def test_a_site_leads_everywhere_and_nowhere_else(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(landmarks_by_name())
    for page in pages:
        text = page.read_text(encoding="utf-8")
        links = LINK.findall(text)
        assert links
        for link in links:
            assert (page.parent / link).resolve().is_file(), (page, link)
    index = (site / "index.html").read_text(encoding="utf-8")
    assert index.count("runs/") == len(landmarks_by_name())


def test_a_site_says_what_it_is(site: Path) -> None:
    matter = FRONT_MATTER.match((site / "README.md").read_text(encoding="utf-8"))
    assert matter is not None
    told = yaml.safe_load(matter[0].strip("-\n"))
    assert (told["sdk"], told["app_file"]) == ("static", "index.html")
    assert "sdk_version" not in told


def test_a_bundle_may_ask_another_index_too(tmp_path: Path) -> None:
    address = "https://wheels.example/cpu"
    folder = bundle("cpu-basic", tmp_path / "space", address)
    first, *rest = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert first == f"--extra-index-url {address}"
    assert any(line.startswith("torch") for line in rest)
    for wrong in (
        "http://wheels.example",
        "wheels",
        "https://me:secret@wheels.example",
        "https://a b",
    ):
        with pytest.raises(CompressionError, match="begins with https"):
            bundle("cpu-basic", tmp_path / "other", wrong)
    with pytest.raises(CompressionError, match="installs nothing"):
        bundle(STATIC, tmp_path / "other", address)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", profiles())
def test_a_bundle_has_all_that_it_needs_and_its_profile(name: str, tmp_path: Path) -> None:
    folder = bundle(name, tmp_path / "space")
    assert yaml.safe_load((folder / "spaces.yml").read_text(encoding="utf-8"))["profile"] == name
    wanted = (folder / "requirements.txt").read_text(encoding="utf-8").split()
    assert any(line.startswith("gradio") for line in wanted)
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert {"app.py", "README.md", "compress_lib/cli/main.py", "assets/style.css"} <= files
    assert not [file for file in files if "__pycache__" in file or file.endswith(".pyc")]
    text = "".join(
        (folder / file).read_text(encoding="utf-8")
        for file in files
        if file.endswith((".py", ".md", ".yml", ".txt"))
    )
    assert str(ROOT) not in text


def test_a_bundle_for_lent_gpus_asks_for_them(tmp_path: Path) -> None:
    folder = bundle("zerogpu", tmp_path / "space")
    wanted = (folder / "requirements.txt").read_text(encoding="utf-8").split()
    assert len([line for line in wanted if line.startswith("torch")]) == 1
    assert "torch>=2.9,<2.12" in wanted
    assert any(line.startswith("spaces") for line in wanted)
    assert "suggested_hardware: zero-a10g" in (folder / "README.md").read_text(encoding="utf-8")


def test_what_is_there_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(CompressionError, match="already"):
        bundle(STATIC, tmp_path)
    assert main(["space", "bundle", "--profile", "statik", "--out", str(tmp_path / "b")]) == 2
    assert "Did you mean 'static'" in capsys.readouterr().err
    assert set(bundles()) == {*profiles(), STATIC}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_bundle_starts_by_itself(tmp_path: Path) -> None:
    folder = bundle("workshop", tmp_path / "space")
    told = "import compress_lib.utils.profiles as p; print(p.__file__, p.limits()['sweep_plans'])"
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COMPRESS_LAB_P"))}
    said = subprocess.run(
        [sys.executable, "-c", told], cwd=folder, env=plain, capture_output=True, text=True
    )
    assert said.stdout.split() == [
        str(folder / "compress_lib" / "utils" / "profiles.py"),
        str(profiles()["workshop"]["sweep_plans"]),
    ]
    # As a Space does: nothing is there but what the folder asks for.
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-r", "requirements.txt"], cwd=folder, check=True
    )
    command = [python, "app.py", "--json", "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=plain, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["url"]
            with urllib.request.urlopen(address, timeout=60) as page:
                assert "Compression Lab" in page.read().decode()
        finally:
            server.kill()
