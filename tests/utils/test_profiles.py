"""Resource limits per deployment profile."""

from __future__ import annotations

import pytest

from compress_lib.cli.main import main
from compress_lib.errors import CompressionError, ModelUnavailableError
from compress_lib.models.sources.memory import check_memory
from compress_lib.plan.plan import Plan
from compress_lib.ui.form import binding
from compress_lib.ui.sweep import sweep_plans
from compress_lib.utils import profiles
from compress_lib.utils.profiles import limits, use_profile


@pytest.fixture(autouse=True)
def nobody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove profile and Space variables from the environment; restore them after the test."""
    for name in (profiles.PROFILE, "SPACE_ID"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_a_laptop_limits_no_model_and_a_space_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "parameters" not in limits()
    monkeypatch.setenv("SPACE_ID", "user/lab")
    assert limits()["parameters"] == profiles.profiles()["cpu-basic"]["parameters"]
    monkeypatch.setenv(profiles.PROFILE, "workshop")
    assert limits()["sweep_plans"] < profiles.profiles()["local"]["sweep_plans"]


@pytest.mark.parametrize("name", profiles.profiles())
def test_every_profile_lets_the_default_plan_run(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(profiles.PROFILE, name)
    assert binding.round_trip(Plan()) == (Plan(), True)
    assert sweep_plans(Plan(), ["svd", "int8"], "0.25, 0.5, 0.75")
    check_memory("the default model", 135_000_000)


def test_a_model_beyond_the_limit_is_refused_with_the_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(profiles.PROFILE, "workshop")
    with pytest.raises(ModelUnavailableError, match="494 million weights.*at most 200 million"):
        check_memory("Qwen/Qwen2.5-0.5B-Instruct", 494_000_000)


def test_an_unknown_profile_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["app", "--profile", "workshp"]) == 2
    assert "Did you mean 'workshop'" in capsys.readouterr().err
    monkeypatch.setenv(profiles.PROFILE, "none")
    with pytest.raises(CompressionError, match=profiles.PROFILE):
        limits()
    use_profile("workshop")
    assert limits() == profiles.profiles()["workshop"]


def test_without_the_file_there_are_limits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "settings", dict)
    assert limits() == profiles.DEFAULT_LIMITS
