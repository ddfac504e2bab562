"""What became of single tokens: lists, histograms by occurrence, neighbours before and after."""

from __future__ import annotations

import pytest
import torch

from compress_lib.compression.compress import compress_at_once
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import CompressionError
from compress_lib.evaluation.direction import EDGES, histogram
from compress_lib.evaluation.token_neighbours import (
    LISTED,
    MOST_ASKED,
    NEAREST,
    direction_record,
    look_up_tokens,
    nearest,
)
from compress_lib.matrices.dense import DenseMatrix
from compress_lib.matrices.reconstruction_error import row_errors
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import read_weight
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.token_record import DirectionRecord

TABLE = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.3], [-1.0, -0.5]])


def table_of(model: LanguageModel) -> torch.Tensor:
    """Its rows, as they are."""
    site = next(site for site in model.sites if site.target.family == "embedding")
    return read_weight(model.module, site, model.dtype)


def direction(model: LanguageModel, *blocks: torch.Tensor) -> DirectionRecord:
    """What compressing the table by SVD says of its tokens."""
    plan = Plan(rules=(Rule(pattern="embedding", keep=0.5),))
    text = Calibration.from_blocks(blocks)
    done, _ = compress_at_once(model, allocate(plan, model.targets), calibration=text)
    assert done[0].direction is not None
    return done[0].direction


def test_neighbours_are_those_of_the_largest_cosine() -> None:
    values, rows = nearest(TABLE.__getitem__, 4, torch.tensor([0, 1]), 9)
    assert rows.tolist() == [[2, 1, 3], [2, 0, 3]]
    assert values[0].tolist() == pytest.approx([3 / 9.09**0.5, 0.0, -1 / 1.25**0.5])


def test_every_listed_token_has_neighbours_before_and_after(llama: LanguageModel) -> None:
    found = direction(llama)
    listed = {token.id for token in (*found.worst, *found.best)}
    assert {one.id for one in found.neighbours} == listed
    units = torch.nn.functional.normalize(table_of(llama).double(), dim=1)
    for one in found.neighbours[:5]:
        cosines = units @ units[one.id]
        cosines[one.id] = -2
        best = cosines.topk(NEAREST)
        assert [n.cosine for n in one.before] == pytest.approx(best.values.tolist(), abs=1e-4)
        assert one.before[0].token == llama.tokenizer.decode([int(best.indices[0])])
        assert len(one.after) == NEAREST


def test_any_word_is_looked_up_and_says_what_the_record_says(llama: LanguageModel) -> None:
    plan = Plan(rules=(Rule(pattern="embedding", keep=0.5),))
    done, small = compress_at_once(llama, allocate(plan, llama.targets))
    record = done[0].direction
    assert record is not None
    listed = {token.token: token for token in (*record.worst, *record.best)}
    near = {one.id: one for one in record.neighbours}
    word = next(text for text in listed if len(text.strip()) > 2 and text.isascii())
    asked, around = look_up_tokens(llama, small, record.target, word)
    found = next(token for token in asked if token.token == word)
    assert found.error == pytest.approx(listed[word].error, abs=1e-6)
    assert next(one for one in around if one.id == found.id) == near[found.id]
    assert [token.id for token in asked] == [one.id for one in around]
    # As it would stand behind a space, and as it stands.
    ids = [*llama.tokenizer(" tide")["input_ids"], *llama.tokenizer("tide")["input_ids"]]
    asked, _ = look_up_tokens(llama, small, record.target, "tide")
    texts = [str(llama.tokenizer.decode([row])) for row in dict.fromkeys(ids)]
    assert [token.token for token in asked] == [text for text in texts if text.strip()]
    with pytest.raises(CompressionError, match=f"at most {MOST_ASKED} can be looked up"):
        look_up_tokens(llama, small, record.target, "abcdefghijklmnopqrstuvwxyz 0123456789")
    with pytest.raises(CompressionError, match="no token of this model"):
        look_up_tokens(llama, small, record.target, "")
    with pytest.raises(CompressionError, match="is not compressed"):
        look_up_tokens(llama, llama, record.target, "tide")


def test_without_loss_the_neighbours_stay(llama: LanguageModel) -> None:
    table, target = table_of(llama), next(t for t in llama.targets if t.family == "embedding")
    same = DenseMatrix.from_weight(table)
    found = direction_record(llama.tokenizer, target, table, same, row_errors(table, same), None)
    assert found is not None
    assert all(one.before == one.after for one in found.neighbours)


def test_frequent_tokens_are_those_of_the_text(llama: LanguageModel) -> None:
    text = torch.tensor([7, 7, 7, 9, 9, 11])
    found = direction(llama, text)
    assert [(token.id, token.count) for token in found.frequent] == [(7, 3), (9, 2), (11, 1)]
    assert sum(found.weighted_counts) == 6
    without = direction(llama)
    assert without.frequent == ()
    assert without.weighted_counts == ()
    assert len(without.worst) == len(without.best) == LISTED


def test_a_histogram_may_count_occurrences() -> None:
    errors = torch.tensor([0.001, 0.011, 0.5])
    counts = histogram(errors, torch.tensor([5, 0, 2]))
    assert [count for count in counts if count] == [5, 2]
    assert counts[EDGES.index(0.5)] == 2
    assert len(counts) == len(EDGES) - 1
    assert sum(histogram(errors)) == 3
