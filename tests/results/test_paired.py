"""Two runs compared block by block: analytic differences, and intervals that mean something."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from compress_lib.errors import CompressionError
from compress_lib.results.paired import compare_runs
from compress_lib.results.records import BlockRecord, RunRecord
from compress_lib.ui.common import texts
from compress_lib.ui.results.tabs.compare import comparison
from tests.support.compressed import run_record


def run(nlls: list[float], kl: float = 0.1, predictions: int = 10) -> RunRecord:
    """A record whose blocks have these sums."""
    like = run_record()
    blocks = tuple(BlockRecord(predictions, nll, kl * predictions) for nll in nlls)
    mean = sum(nlls) / (predictions * len(nlls))
    perplexity = replace(like.perplexity, compressed=math.exp(mean), blocks=blocks)
    return replace(like, perplexity=perplexity, agreement=replace(like.agreement, kl=kl))


def test_a_constant_difference_is_certain() -> None:
    first, second = run([30.0, 40.0, 20.0]), run([31.0, 41.0, 21.0])
    found = compare_runs(first, second)
    assert found.ratio == pytest.approx(math.exp(0.1))
    assert found.ratio_interval == pytest.approx((math.exp(0.1), math.exp(0.1)))
    assert found.certain


def test_kl_may_be_certain_where_perplexity_is_not() -> None:
    first, second = run([30.0, 40.0, 20.0]), run([31.0, 38.0, 21.0], kl=0.3)
    found = compare_runs(first, second)
    assert not found.certain
    assert found.certain_by_kl
    assert texts.COMPARE_FARTHER in comparison([first, second])
    assert texts.COMPARE_NEARER in comparison([second, first])


def test_a_run_against_itself_differs_in_nothing() -> None:
    one = run([30.0, 40.0])
    found = compare_runs(one, one)
    assert (found.ratio, found.kl, found.bytes, found.certain) == (1.0, 0.0, 0, False)


def test_turned_round_the_ratio_is_its_inverse() -> None:
    first, second = run([30.0, 40.0, 25.0], 0.1), run([33.0, 39.0, 26.0], 0.3)
    there, back = compare_runs(first, second), compare_runs(second, first)
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.kl == pytest.approx(-back.kl)


@pytest.mark.parametrize("blocks", [3, 4, 40])
def test_an_interval_covers_the_truth_as_often_as_it_says(blocks: int) -> None:
    draw = random.Random(0)
    covered = 0
    for _ in range(300):
        base = [draw.gauss(30, 5) for _ in range(blocks)]
        other = [nll + draw.gauss(1.0, 2.0) for nll in base]
        ends = compare_runs(run(base), run(other)).ratio_interval
        assert ends is not None
        covered += ends[0] <= math.exp(0.1) <= ends[1]
    assert 0.92 < covered / 300 < 0.98


def test_without_blocks_there_is_a_difference_and_no_interval() -> None:
    old = replace(run([30.0]), perplexity=replace(run([30.0]).perplexity, blocks=()))
    found = compare_runs(old, run([31.0]))
    assert found.ratio == pytest.approx(math.exp(0.1))
    assert found.ratio_interval is None
    assert not found.certain


def test_other_tokens_are_refused() -> None:
    other = run([30.0])
    other = replace(other, perplexity=replace(other.perplexity, digest="x"))
    with pytest.raises(CompressionError, match="the same tokens"):
        compare_runs(run([30.0]), other)


def test_other_models_and_other_hidden_words_are_refused() -> None:
    one = run([30.0])
    other = replace(one, model=replace(one.model, id="other"))
    with pytest.raises(CompressionError, match="not runs of the same model"):
        compare_runs(one, other)
    hidden = replace(one.perplexity, protocol="whole_word")
    masked = [replace(one, perplexity=hidden, plan=replace(one.plan, seed=seed)) for seed in (0, 7)]
    assert compare_runs(masked[0], masked[0]).ratio == 1
    with pytest.raises(CompressionError, match="the same tokens"):
        compare_runs(*masked)


def test_beyond_all_numbers_there_is_no_ratio() -> None:
    one = run([30.0])
    lost = replace(one, perplexity=replace(one.perplexity, compressed=math.inf, blocks=()))
    assert compare_runs(one, lost).ratio == math.inf
    assert compare_runs(lost, one).ratio == 0
    with pytest.raises(CompressionError, match="ratio is undefined"):
        compare_runs(lost, lost)
