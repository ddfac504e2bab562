"""Masked models: what is hidden, and perplexities against values known or computed elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from compress_lib.data.corpora import CORPORA
from compress_lib.data.examples import Example
from compress_lib.data.masking import choose_words, hide_tokens, mask_id, tokenize_lines
from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import BlockScore, Comparison, compare, perplexity
from compress_lib.models.loading import LanguageModel
from tests.support.compressed import compressed
from tests.support.tiny import (
    MASKED,
    VOCABULARY,
    masked_tokenizer,
    save_tiny,
    tiny_model,
    tiny_tokenizer,
)

TEXT = CORPORA["prose"]().read("evaluation")
TOKENIZER = masked_tokenizer()
MASK = mask_id(TOKENIZER)


@pytest.fixture(params=sorted(MASKED))
def masked(request: pytest.FixtureRequest) -> LanguageModel:
    """Each masked architecture in turn."""
    return tiny_model(request.param)


def examples(
    text: str = TEXT,
    protocol: str = "whole_word",
    tokens: int = 400,
    context: int = 100,
    seed: int = 0,
) -> list[Example]:
    lines = tokenize_lines(TOKENIZER, text, tokens=tokens, context=context, name="it")
    return hide_tokens(TOKENIZER, lines, protocol, seed)


def words_of(text: str) -> list[list[int]]:
    """The tokens of each word of a line, by the tokenizer's own account."""
    encoded = TOKENIZER(text)
    groups: dict[int, list[int]] = {}
    for place, word in enumerate(encoded.word_ids(0)):
        if word is not None:
            groups.setdefault(word, []).append(place)
    return list(groups.values())


# What is hidden.

LINE = "Tobias switched on the lamp and turned the key over, then looked at the barrel again."


def test_words_are_hidden_whole() -> None:
    (example,) = examples(LINE)
    hidden = set(example.positions.tolist())
    words = words_of(LINE)
    whole = [word for word in words if set(word) <= hidden]
    assert sum(len(word) for word in whole) == len(hidden)
    assert len(whole) == round(0.15 * len(words))
    assert any(len(word) > 1 for word in words)


def test_hidden_tokens_are_masks_and_the_others_stay() -> None:
    (example,) = examples(LINE)
    text = torch.tensor(TOKENIZER(LINE)["input_ids"])
    hidden = torch.zeros(len(text), dtype=torch.bool)
    hidden[example.positions] = True
    assert torch.equal(example.ids, text)
    assert bool((example.inputs[hidden] == MASK).all())
    assert torch.equal(example.inputs[~hidden], text[~hidden])
    assert torch.equal(example.labels, text[hidden])


@pytest.mark.parametrize("protocol", ["whole_word", "pseudo"])
def test_special_tokens_stand_around_every_example_and_are_never_predicted(protocol: str) -> None:
    for example in examples(protocol=protocol):
        assert example.ids[0] == TOKENIZER.cls_token_id
        assert example.ids[-1] == TOKENIZER.sep_token_id
        assert int(example.positions.min()) >= 1
        assert int(example.positions.max()) < len(example.ids) - 1


def test_every_token_is_hidden_once_by_the_pseudo_protocol() -> None:
    (example,) = examples(LINE, protocol="pseudo")
    seen = []
    for batch, positions in example.copies():
        for row, place in zip(batch, positions.tolist(), strict=True):
            assert row[place] == MASK
            changed = row != example.ids
            assert changed.nonzero().flatten().tolist() == [place]
            seen.append(place)
    assert seen == list(range(1, len(example.ids) - 1))


def test_the_seed_decides_and_the_first_lines_stay_as_they_are() -> None:
    first, again, other = examples(), examples(), examples(seed=1)
    assert [e.positions.tolist() for e in first] == [e.positions.tolist() for e in again]
    assert [e.positions.tolist() for e in first] != [e.positions.tolist() for e in other]
    longer = examples(tokens=2000)
    assert len(longer) > len(first)
    kept = zip(first[:-1], longer, strict=False)
    assert all(torch.equal(a.positions, b.positions) for a, b in kept)


def test_about_fifteen_in_a_hundred_words_are_hidden() -> None:
    words = [i for i in range(1000) for _ in range(1 + i % 3)]
    places = choose_words(words, torch.Generator().manual_seed(0))
    assert len({words[place] for place in places.tolist()}) == 150
    assert len(choose_words([0, 0, 1], torch.Generator().manual_seed(0))) in (1, 2)


def test_headings_and_short_lines_are_left_out() -> None:
    heading = " = " + LINE + " = "
    (example,) = examples(f"{heading}\nToo short.\n\n{LINE}\n")
    assert example.ids.tolist() == TOKENIZER(LINE)["input_ids"]


def test_tokens_and_context_are_kept_and_no_word_is_cut() -> None:
    found = examples(tokens=300, context=60)
    assert sum(len(e.ids) for e in found) <= 300
    assert max(len(e.ids) for e in found) <= 60
    assert all(e.ids[-1] == TOKENIZER.sep_token_id for e in found)
    text = str(TOKENIZER.decode(found[0].ids[1:-1].tolist()))
    assert TEXT.split("\n")[1].startswith(text)
    assert TEXT.split("\n")[1][len(text)] in " ,.;"


def test_a_text_without_a_long_line_is_refused() -> None:
    with pytest.raises(CompressionError, match="it has no line of at least 20 tokens"):
        examples("Short.\nVery short.\n")
    with pytest.raises(CompressionError, match="within 12 tokens"):
        examples(LINE, tokens=12)


def test_a_tokenizer_without_a_mask_is_refused() -> None:
    with pytest.raises(CompressionError, match="no mask token"):
        mask_id(tiny_tokenizer())


# Perplexity.


def uniform(model: LanguageModel) -> LanguageModel:
    """A model that finds every token equally likely."""
    with torch.no_grad():
        model.module.get_input_embeddings().weight.zero_()  # type: ignore[operator]
        for name, parameter in model.module.named_parameters():
            if name.endswith("bias") and len(parameter) == VOCABULARY:
                parameter.zero_()
    return model


@pytest.mark.parametrize("protocol", ["whole_word", "pseudo"])
def test_a_model_that_knows_nothing_has_the_vocabulary_as_perplexity(
    masked: LanguageModel, protocol: str
) -> None:
    model = uniform(masked)
    lines = examples(protocol=protocol)
    found = list(compare(model, model, lines))[-1]
    assert found.baseline.value == pytest.approx(VOCABULARY, rel=1e-5)
    assert found.baseline.stderr == pytest.approx(0, abs=1e-3)
    assert perplexity(model, lines) == pytest.approx(VOCABULARY, rel=1e-5)


@pytest.mark.parametrize("protocol", ["whole_word", "pseudo"])
def test_a_model_agrees_with_itself(masked: LanguageModel, protocol: str) -> None:
    lines = examples(protocol=protocol)
    found = list(compare(masked, masked, lines))[-1]
    assert found.kl == pytest.approx(0, abs=1e-7)
    assert found.top1 == 1
    assert found.ratio.value == 1
    assert found.predictions == sum(len(line.labels) for line in lines)


def independent(folder: Path, lines: Sequence[str], seed: int) -> float:
    """Whole-word perplexity by plain transformers code: no line of ours takes part."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    nll, count = 0.0, 0
    for line in lines:
        encoded = tokenizer(line, return_tensors="pt")
        words = encoded.word_ids(0)
        names = sorted({word for word in words if word is not None})
        order = torch.randperm(len(names), generator=generator).tolist()
        chosen = {names[i] for i in order[: max(1, round(0.15 * len(names)))]}
        hidden = torch.tensor([[word in chosen for word in words]])
        labels = encoded["input_ids"].masked_fill(~hidden, -100)
        given = encoded["input_ids"].masked_fill(hidden, tokenizer.mask_token_id)
        # The model's own loss is the mean over the hidden tokens.
        with torch.no_grad():
            loss = model(input_ids=given, attention_mask=encoded["attention_mask"], labels=labels)
        nll += float(loss.loss) * int(hidden.sum())
        count += int(hidden.sum())
    return math.exp(nll / count)


def test_whole_word_perplexity_is_that_of_plain_transformers_code(
    masked: LanguageModel, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path, masked.id.removeprefix("tiny-"))
    lines = [line for line in TEXT.split("\n") if 25 <= len(TOKENIZER(line)["input_ids"]) <= 100]
    found = examples("\n".join(lines), tokens=10_000, seed=3)
    assert len(found) == len(lines) > 5
    expected = independent(folder, lines, seed=3)
    assert perplexity(masked, found) == pytest.approx(expected, rel=1e-5)
    assert list(compare(masked, masked, found))[-1].baseline.value == pytest.approx(expected)


def test_pseudo_perplexity_hides_one_token_after_the_other(masked: LanguageModel) -> None:
    (example,) = examples(LINE, protocol="pseudo")
    nll = 0.0
    for place in range(1, len(example.ids) - 1):
        given = example.ids.clone()
        given[place] = MASK
        logits = masked.module(given[None]).logits[0, place]
        nll -= float(logits.log_softmax(-1)[example.ids[place]])
    expected = math.exp(nll / (len(example.ids) - 2))
    assert perplexity(masked, [example]) == pytest.approx(expected, rel=1e-5)


def test_lines_count_by_what_they_predict() -> None:
    scores = [BlockScore(n, n * 2.0 + e, n * 3.0 + e, 0.0, 0) for n, e in ((2, 1.0), (8, -1.0))]
    found = Comparison(tuple(scores))
    assert found.baseline.value == pytest.approx(math.e**2)
    # Residuals are +1 and -1 nats: sqrt(2 ÷ 1 × 2) over 10 predictions.
    assert found.baseline.stderr == pytest.approx(math.e**2 * 0.2)
    assert found.ratio.stderr == pytest.approx(0, abs=1e-12)


def test_compression_changes_perplexity(masked: LanguageModel) -> None:
    small = compressed(masked)
    found = list(compare(masked, small, examples()))[-1]
    assert found.kl > 0
    assert found.ratio.value != 1
