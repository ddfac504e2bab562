"""What models write: the likeliest token or a seeded draw, heard as it comes, stopped at will."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compress_lib.errors import CompressionError, StoppedError
from compress_lib.evaluation.generation import first_divergence, write, write_both
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.plan import Generation
from compress_lib.utils.generators import THREAD
from tests.support.compressed import compressed, randomised

GREEDY = Generation(max_new_tokens=12)
WARM = Generation(max_new_tokens=12, temperature=1.0)
PROMPT = "The tide"


@pytest.fixture
def endless(llama: LanguageModel) -> LanguageModel:
    """A model that no token stops."""
    llama.module.generation_config.eos_token_id = None
    return llama


def greedy(model: LanguageModel, prompt: str, count: int) -> list[int]:
    """The likeliest token, again and again, without a cache."""
    ids = model.tokenizer(prompt)["input_ids"]
    for _ in range(count):
        ids = [*ids, int(model.module(torch.tensor([ids])).logits[0, -1].argmax())]
    found: list[int] = ids[-count:]
    return found


def test_temperature_0_takes_the_likeliest_token(endless: LanguageModel) -> None:
    assert write(endless, PROMPT, GREEDY) == greedy(endless, PROMPT, 12)
    small = compressed(endless)
    assert write(small, PROMPT, GREEDY) == greedy(small, PROMPT, 12)


@pytest.mark.parametrize(
    "habits",
    [
        {"num_beams": 3},
        {"repetition_penalty": 50.0},
        {"do_sample": True, "temperature": 5.0, "top_k": 3, "top_p": 0.5},
        {"no_repeat_ngram_size": 1, "suppress_tokens": list(range(200))},
        {"max_length": 3, "min_new_tokens": 2},
    ],
)
def test_a_checkpoints_own_habits_do_not_count(
    endless: LanguageModel, habits: dict[str, Any]
) -> None:
    for name, value in habits.items():
        setattr(endless.module.generation_config, name, value)
    before = endless.module.generation_config.to_dict()
    assert write(endless, PROMPT, GREEDY) == greedy(endless, PROMPT, 12)
    assert len(write(endless, PROMPT, WARM)) == 12
    assert endless.module.generation_config.to_dict() == before


def test_every_architecture_writes(any_model: LanguageModel) -> None:
    any_model.module.generation_config.eos_token_id = None
    assert len(write(any_model, PROMPT, GREEDY)) == 12
    assert len(write(randomised(any_model), PROMPT, WARM)) == 12


def test_a_text_ends_where_the_model_ends_it(llama: LanguageModel) -> None:
    llama.module.generation_config.eos_token_id = None
    first = write(llama, PROMPT, GREEDY)
    for ends in (first[3], [318, first[3]]):
        llama.module.generation_config.eos_token_id = ends
        found = write(llama, PROMPT, GREEDY)
        assert found == first[: first.index(first[3]) + 1]


def test_the_same_seed_gives_the_same_text_and_another_another(endless: LanguageModel) -> None:
    first = write(endless, PROMPT, WARM, seed=3)
    assert write(endless, PROMPT, WARM, seed=3) == first
    assert write(endless, PROMPT, WARM, seed=4) != first
    assert write(endless, PROMPT, GREEDY, seed=3) == write(endless, PROMPT, GREEDY, seed=4)


def test_draws_follow_the_probabilities(endless: LanguageModel) -> None:
    cold = Generation(max_new_tokens=12, temperature=1e-4)
    assert write(endless, PROMPT, cold) == greedy(endless, PROMPT, 12)
    endless.module.get_parameter("lm_head.weight").zero_()
    # All tokens are alike now: of 100 draws from 320, about 86 differ.
    drawn = write(endless, PROMPT, Generation(max_new_tokens=100, temperature=1.0))
    assert 75 < len(set(drawn)) < 97


def test_the_callers_random_numbers_are_left_alone(llama: LanguageModel) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    write(llama, PROMPT, WARM, seed=9)
    assert torch.equal(torch.rand(3), expected)


def test_the_listener_hears_the_text_grow(endless: LanguageModel) -> None:
    heard: list[str] = []
    ids = write(endless, PROMPT, GREEDY, listener=heard.append)
    decode = endless.tokenizer.decode
    assert heard == [decode(ids[: n + 1], skip_special_tokens=True) for n in range(12)]
    assert PROMPT not in heard[0]


def test_the_listener_may_stop_it(endless: LanguageModel) -> None:
    heard: list[str] = []

    def stop(text: str) -> None:
        heard.append(text)
        if len(heard) == 3:
            raise StoppedError

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(StoppedError):
        write(endless, PROMPT, WARM, listener=stop)
    assert len(heard) == 3
    assert torch.equal(torch.rand(3), expected)
    assert write(endless, PROMPT, GREEDY) == greedy(endless, PROMPT, 12)


@pytest.mark.parametrize(
    ("prompt", "new", "complaint"),
    [
        ("word " * 200, 5, r"has \d+ tokens; with 5 new tokens .* of 128 tokens.* Shorten"),
        ("word", 127, "with 127 new tokens it exceeds the model's context of 128 tokens"),
        ("", 5, "The prompt is empty"),
        ("half a \ud83d", 5, "The prompt is not valid Unicode text"),
    ],
)
def test_a_prompt_that_cannot_be_continued_gets_a_sentence(
    llama: LanguageModel, prompt: str, new: int, complaint: str
) -> None:
    with pytest.raises(CompressionError, match=complaint):
        write(llama, prompt, Generation(max_new_tokens=new))


def test_a_prompt_may_fill_the_model_to_the_brim(endless: LanguageModel) -> None:
    count = len(endless.tokenizer(PROMPT)["input_ids"])
    assert len(write(endless, PROMPT, Generation(max_new_tokens=128 - count))) == 128 - count


@pytest.mark.parametrize("how", [GREEDY, WARM])
def test_a_model_agrees_with_itself(endless: LanguageModel, how: Generation) -> None:
    record = write_both(endless, endless, PROMPT, how, seed=1)
    assert record.first_divergence is None
    assert record.baseline == record.compressed == record.common
    assert record.prompt == PROMPT
    assert record.baseline_tokens_per_second > 0


@pytest.mark.parametrize("how", [GREEDY, WARM])
def test_both_write_a_token_each_in_turn_as_if_alone(
    endless: LanguageModel, how: Generation
) -> None:
    other = randomised(endless)
    heard: list[tuple[str, str]] = []
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    record = write_both(
        endless, other, PROMPT, how, seed=1, listener=lambda *note: heard.append(note)
    )
    assert torch.equal(torch.rand(3), expected)
    assert [which for which, _ in heard] == ["baseline", "compressed"] * 12
    for model, text in ((endless, record.baseline), (other, record.compressed)):
        alone = write(model, PROMPT, how, seed=1)
        assert text == endless.tokenizer.decode(alone, skip_special_tokens=True)


def test_one_writes_on_where_the_other_has_ended(endless: LanguageModel) -> None:
    other = randomised(endless)
    third = write(other, PROMPT, GREEDY)[2]
    other.module.generation_config = copy.deepcopy(other.module.generation_config)
    other.module.generation_config.eos_token_id = third
    heard: list[str] = []
    write_both(endless, other, PROMPT, GREEDY, listener=lambda which, text: heard.append(which))
    ended = heard.count("compressed")
    assert ended <= 3
    assert heard == ["baseline", "compressed"] * ended + ["baseline"] * (12 - ended)


def test_who_stops_one_stops_both(endless: LanguageModel) -> None:
    def stop(which: str, text: str) -> None:
        if which == "compressed":
            raise StoppedError

    with pytest.raises(StoppedError):
        write_both(endless, randomised(endless), PROMPT, GREEDY, listener=stop)
    assert not any(thread.name.startswith(THREAD) for thread in threading.enumerate())


@pytest.mark.parametrize("how", [GREEDY, WARM])
def test_every_token_comes_with_what_both_models_thought_of_it(
    endless: LanguageModel, how: Generation
) -> None:
    other = randomised(endless)
    record = write_both(endless, other, PROMPT, how, seed=1)
    assert "".join(token.text for token in record.baseline_tokens) == record.baseline
    assert "".join(token.text for token in record.compressed_tokens) == record.compressed
    new = write(endless, PROMPT, how, seed=1)
    start = endless.tokenizer(PROMPT)["input_ids"]
    for position, (token, seen) in enumerate(zip(new, record.baseline_tokens, strict=True)):
        before = torch.tensor([start + new[:position]])
        for model, probability in ((endless, seen.own), (other, seen.other)):
            logits = model.module(before).logits[0, -1].double()
            assert probability == pytest.approx(float(logits.softmax(-1)[token]), abs=2e-6)


def test_both_write_and_part_where_they_differ(endless: LanguageModel) -> None:
    other = randomised(endless)
    heard: dict[str, str] = {}
    record = write_both(endless, other, PROMPT, GREEDY, listener=heard.__setitem__)
    assert heard == {"baseline": record.baseline, "compressed": record.compressed}
    assert list(heard) == ["baseline", "compressed"]
    ours, theirs = write(endless, PROMPT, GREEDY), write(other, PROMPT, GREEDY)
    apart = record.first_divergence
    assert apart == first_divergence(ours, theirs)
    assert apart is not None
    assert record.common == endless.tokenizer.decode(ours[:apart])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([], [], None),
        ([1, 2], [1, 2], None),
        ([1, 2], [3, 2], 0),
        ([1, 2, 3], [1, 2, 4], 2),
        ([1, 2], [1, 2, 3], 2),
        ([], [1], 0),
    ],
)
def test_divergence_is_the_first_token_that_differs(
    a: list[int], b: list[int], expected: int | None
) -> None:
    assert first_divergence(a, b) == expected
    assert first_divergence(b, a) == expected


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_before_the_divergence_all_agrees(a: list[int], b: list[int]) -> None:
    apart = first_divergence(a, b)
    if apart is None:
        assert a == b
    else:
        assert a[:apart] == b[:apart]
        assert a[apart : apart + 1] != b[apart : apart + 1]
