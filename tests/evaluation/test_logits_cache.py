"""Logits that are read once: the same numbers, less work, within a limit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from compress_lib.data.examples import Example
from compress_lib.evaluation import logits_cache
from compress_lib.evaluation.likelihood import compare, time_logits
from compress_lib.evaluation.logits_cache import LogitsCache
from compress_lib.models.loading import LanguageModel
from tests.support.compressed import randomised

BLOCKS = [torch.arange(10, 40), torch.arange(40, 60)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes what is really read."""
    found: list[str] = []

    def noted(model: LanguageModel, example: Any) -> Any:
        found.append(f"{model.id}:{len(example.ids)}")
        return time_logits(model, example)

    monkeypatch.setattr(logits_cache, "time_logits", noted)
    return found


def test_the_original_is_read_once_for_many_comparisons(
    llama: LanguageModel, reads: list[str]
) -> None:
    read = LogitsCache()
    for _ in range(3):
        other = randomised(llama)
        *_, plain = compare(llama, other, BLOCKS)
        *_, quick = compare(llama, other, BLOCKS, read=read)
        assert quick.baseline == plain.baseline
        assert quick.compressed == plain.compressed
        assert quick.kl == plain.kl
    assert reads == ["tiny-llama:30", "tiny-llama:20"]


def test_what_does_not_fit_is_read_anew(llama: LanguageModel, reads: list[str]) -> None:
    size = time_logits(llama, Example(BLOCKS[0], torch.arange(29), BLOCKS[0][1:]))
    read = LogitsCache(limit=size[0].nbytes)
    for _ in range(2):
        list(compare(llama, llama, BLOCKS, read=read))
    assert reads == ["tiny-llama:30", "tiny-llama:20", "tiny-llama:20"]


def test_another_model_is_another_memory(llama: LanguageModel, reads: list[str]) -> None:
    read = LogitsCache()
    other = randomised(llama)
    *_, mine = compare(llama, other, BLOCKS, read=read)
    *_, theirs = compare(other, llama, BLOCKS, read=read)
    assert len(reads) == 4
    assert theirs.baseline == mine.compressed
