"""Shared by all tests: a home of its own, and tiny models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers share the cores: each takes one. It only counts before torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from compress_lib.models.loading import LanguageModel
from tests.support.tiny import CONFIGURATIONS, tiny_model

if TYPE_CHECKING:
    from tests.support.page import TinyEngine

pytest_plugins = [
    "tests.support.browser_fixtures",
    "tests.support.hub_fixtures",
    "tests.support.quality_fixtures",
]


@pytest.fixture(autouse=True)
def own_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """Keep every test's runs apart; tests with real weights share the machine's model cache."""
    home = tmp_path / "home"
    if "real_home" not in request.fixturenames:
        monkeypatch.setenv("COMPRESS_LAB_HOME", str(home))
    yield home


@pytest.fixture
def real_home() -> None:
    """Use the machine's own cache, where the default model is kept between runs."""


@pytest.fixture
def llama() -> LanguageModel:
    """A tiny tied Llama with grouped queries."""
    return tiny_model("llama")


@pytest.fixture(params=sorted(CONFIGURATIONS))
def any_model(request: pytest.FixtureRequest) -> LanguageModel:
    """Each architecture in turn."""
    return tiny_model(request.param)


@pytest.fixture(scope="session")
def architectures() -> Callable[[str], LanguageModel]:
    """Make a tiny model by the name of its architecture."""
    return tiny_model


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TinyEngine]:
    """A page's engine over a tiny model."""
    from tests.support.page import tiny_engine

    yield from tiny_engine(tmp_path)
