"""Pointing at weights: families, names, layers, and what a wrong pattern is told."""

from __future__ import annotations

import pytest

from compress_lib.errors import CompressionError
from compress_lib.models.targets import Target, matches, select

EMBEDDING = Target(("model.embed_tokens", "lm_head"), "embedding", None, (100, 8), 1600)
QUERIES = [
    Target((f"model.layers.{i}.self_attn.q_proj",), "query", i, (8, 8), 128) for i in range(12)
]
TARGETS = [EMBEDDING, *QUERIES]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("*", 13),
        ("embedding", 1),
        ("query", 12),
        ("query@3", 1),
        ("query@0-5", 6),
        ("@11", 1),
        ("*@2-3", 2),
        ("lm_head", 1),
        ("lm_head.weight", 1),
        ("model.layers.1.*", 1),
        ("*q_proj", 12),
        ("embedding, query@0", 2),
        ("query@0,query@0-1", 2),
    ],
)
def test_a_pattern_is_a_family_or_a_name_and_perhaps_layers(pattern: str, count: int) -> None:
    assert len(select(TARGETS, pattern)) == count


def test_a_weight_outside_the_blocks_is_in_no_layer() -> None:
    assert not matches(EMBEDDING, "@0")


def test_a_misspelt_family_is_told_the_nearest() -> None:
    with pytest.raises(CompressionError, match="'qery'.*'query'"):
        select(TARGETS, "qery")


def test_layers_that_do_not_exist_are_told_which_do() -> None:
    with pytest.raises(CompressionError, match="layers 0 to 11"):
        select(TARGETS, "query@99")


@pytest.mark.parametrize("pattern", ["query@", "query@x", "query@1-", "query@-1"])
def test_layers_must_be_numbers(pattern: str) -> None:
    with pytest.raises(CompressionError, match="number or a range"):
        select(TARGETS, pattern)


def test_break_even_is_where_factors_are_as_big_as_the_matrix() -> None:
    rank = EMBEDDING.break_even_rank
    assert rank * (100 + 8) <= 100 * 8 < (rank + 1) * (100 + 8)
    assert EMBEDDING.tied
    assert not QUERIES[0].tied
    assert EMBEDDING.itemsize == 2
