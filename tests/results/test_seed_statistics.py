"""Several seeds: means and standard deviations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compress_lib.results.confidence import seed_statistics
from tests.support.compressed import run_record


def test_mean_and_deviation_are_the_textbooks() -> None:
    first = run_record()
    second = replace(first, perplexity=replace(first.perplexity, compressed=34.0))
    found = seed_statistics([first, second])
    assert found["perplexity"].mean == pytest.approx(32.0)
    assert found["perplexity"].deviation == pytest.approx(8**0.5)
    assert found["kl"].deviation == 0
    assert found["kl"].runs == 2


def test_one_run_has_no_spread() -> None:
    assert seed_statistics([run_record()]) == {}
