"""Perplexity and agreement against values known beforehand and against transformers' own loss."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from compress_lib.data.tokenization import token_blocks
from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import BlockScore, Comparison, compare
from compress_lib.evaluation.likelihood import perplexity as measure
from compress_lib.models.loading import LanguageModel
from tests.support.tiny import VOCABULARY, tiny_model


def blocks(count: int = 3, size: int = 20) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, VOCABULARY, (count * size,), generator=generator).tolist()
    return token_blocks(ids, tokens=count * size, context=size, name="it")


def uniform(model: LanguageModel) -> LanguageModel:
    """A model that finds every token equally likely."""
    module = model.module
    with torch.no_grad():
        module.get_parameter("model.embed_tokens.weight").zero_()
    return model


def test_a_model_that_knows_nothing_has_the_vocabulary_as_perplexity(
    llama: LanguageModel,
) -> None:
    model = uniform(llama)
    found = list(compare(model, model, blocks()))[-1]
    assert found.baseline.value == pytest.approx(VOCABULARY, rel=1e-5)
    assert found.baseline.stderr == pytest.approx(0, abs=1e-3)


def test_a_model_agrees_with_itself(llama: LanguageModel) -> None:
    found = list(compare(llama, llama, blocks()))[-1]
    assert found.kl == pytest.approx(0, abs=1e-7)
    assert found.top1 == 1
    assert found.ratio.value == 1
    assert found.ratio.stderr == 0


def test_it_agrees_with_the_models_own_loss(any_model: LanguageModel) -> None:
    losses = [any_model.module(block[None], labels=block[None]).loss.item() for block in blocks()]
    expected = math.exp(sum(losses) / len(losses))
    other = tiny_model("llama", seed=1)
    found = list(compare(any_model, other, blocks()))[-1]
    assert found.baseline.value == pytest.approx(expected, rel=1e-5)
    assert measure(any_model, blocks()) == pytest.approx(expected, rel=1e-5)
    assert found.predictions == 3 * 19


def test_kl_is_the_textbook_sum(llama: LanguageModel) -> None:
    other = tiny_model("llama", seed=1)
    (block,) = blocks(1)
    p = llama.module(block[None]).logits[0, :-1].double().softmax(-1)
    q = other.module(block[None]).logits[0, :-1].double().softmax(-1)
    found = list(compare(llama, other, [block]))[-1]
    assert found.kl == pytest.approx(float((p * (p / q).log()).sum(-1).mean()), rel=1e-4)
    assert found.top1 == pytest.approx(float((p.argmax(-1) == q.argmax(-1)).double().mean()))
    assert found.kl > 0


def test_every_step_tells_what_is_known_so_far(llama: LanguageModel) -> None:
    steps = list(compare(llama, llama, blocks()))
    assert [len(step.blocks) for step in steps] == [1, 2, 3]
    assert steps[0].baseline.stderr is None


def test_the_standard_error_is_that_of_block_means() -> None:
    scores = [BlockScore(10, 10 * mean, 10 * mean + 1, 0.0, 5) for mean in (1.0, 2.0, 3.0)]
    found = Comparison(tuple(scores))
    assert found.baseline.value == pytest.approx(math.e**2)
    assert found.baseline.stderr == pytest.approx(math.e**2 / math.sqrt(3))
    # The blocks differ, but the compressed model is worse by the same in each: the paired
    # difference is certain.
    assert found.ratio.value == pytest.approx(math.exp(0.1))
    assert found.ratio.stderr == pytest.approx(0, abs=1e-12)


def test_tokens_and_context_mean_disjoint_blocks_from_the_start() -> None:
    cut = token_blocks(range(5000), tokens=4096, context=512, name="it")
    assert [len(block) for block in cut] == [512] * 8
    assert torch.equal(torch.cat(cut), torch.arange(4096))


def test_a_last_block_of_one_token_predicts_nothing_and_is_left_out() -> None:
    cut = token_blocks(range(100), tokens=21, context=10, name="it")
    assert [len(block) for block in cut] == [10, 10]


def test_too_short_a_text_is_refused() -> None:
    with pytest.raises(CompressionError, match=r"it has 100 tokens.*but 4,096"):
        token_blocks(range(100), tokens=4096, context=512, name="it")
    assert token_blocks(range(100), tokens=4096, context=512, name="it", allow_shorter=True)
    with pytest.raises(CompressionError, match="has 1 tokens"):
        token_blocks(range(1), tokens=4096, context=512, name="it", allow_shorter=True)


def test_predictions_that_are_not_finite_are_an_error_not_a_skipped_block(
    llama: LanguageModel,
) -> None:
    broken = tiny_model("llama")
    with torch.no_grad():
        broken.module.get_parameter("model.norm.weight").fill_(float("nan"))
    broken = replace(broken, id="broken")
    with pytest.raises(CompressionError, match="broken are not finite"):
        list(compare(llama, broken, blocks()))
    with pytest.raises(CompressionError, match="broken are not finite"):
        measure(broken, blocks())
