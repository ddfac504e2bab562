"""Bytes as a checkpoint stores them: counted by hand, whole and by component."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from compress_lib.compression.compress import compress_at_once
from compress_lib.compression.stacking import with_matrices
from compress_lib.evaluation.memory import FUSED, REST, cache_bytes, compare_memory
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.views import split_rows
from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import stored_tensors, total_bytes
from compress_lib.models.targets import FAMILIES
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.records import MemoryRecord
from tests.support.compressed import compressed, random_factors, randomised
from tests.support.tiny import tiny_model

V, D, F = 320, 32, 64


def parts(record: MemoryRecord) -> dict[str, tuple[int, int]]:
    return {c.component: (c.baseline_bytes, c.compressed_bytes) for c in record.components}


def test_a_llama_has_the_bytes_of_its_formula(llama: LanguageModel) -> None:
    # Grouped queries: keys and values are half as wide. Two norms a layer, one at the end.
    layer = D * D + 2 * (D // 2 * D) + D * D + 3 * D * F + 2 * D
    assert total_bytes(llama) == 2 * (V * D + 2 * layer + D)
    assert total_bytes(llama) == 2 * llama.parameters


def test_parameters_are_those_of_the_factors(llama: LanguageModel) -> None:
    small = compressed(llama)
    record = compare_memory(llama, small)
    assert record.baseline_parameters == llama.parameters
    # Factors in 16 bits: as many numbers as bytes say.
    assert record.compressed_parameters == record.compressed_bytes // 2 < llama.parameters
    plan = Plan(rules=(Rule(pattern="*layers*", method="int4", options={"group_size": 16}),))
    _, coded = compress_at_once(llama, allocate(plan, llama.targets))
    found = compare_memory(llama, coded)
    # A code is a number still, and every group of sixteen adds two.
    layers = sum(t.shape[0] * t.shape[1] for t in llama.targets if "layers" in t.name)
    assert found.compressed_parameters == llama.parameters + 2 * layers // 16
    assert found.compressed_bytes < found.baseline_bytes


def test_a_tie_is_counted_once() -> None:
    untied, tied = tiny_model("llama_untied"), tiny_model("llama")
    heads = [compare_memory(model, model) for model in (untied, tied)]
    assert parts(heads[0])["head"] == (2 * V * D, 2 * V * D)
    assert "head" not in parts(heads[1])


def test_components_add_up_to_the_whole(any_model: LanguageModel) -> None:
    for small in (any_model, compressed(any_model), randomised(any_model, offset=True)):
        record = compare_memory(any_model, small)
        assert record.baseline_bytes == total_bytes(any_model)
        assert record.compressed_bytes == total_bytes(small)
        assert sum(c.baseline_bytes for c in record.components) == record.baseline_bytes
        assert sum(c.compressed_bytes for c in record.components) == record.compressed_bytes
        assert set(parts(record)) <= {*FAMILIES, FUSED, REST}


def test_components_are_the_targets_bytes_and_the_rest_is_left_alone(
    any_model: LanguageModel,
) -> None:
    found = parts(compare_memory(any_model, randomised(any_model)))
    fused = any(len(site.sizes) > 1 for site in any_model.sites)
    expected: dict[str, list[int]] = {}
    for target in any_model.targets:
        family = target.family
        name = FUSED if fused and family in ("query", "key", "value") else family
        before, after = expected.setdefault(name, [0, 0])
        rank_3 = 2 * 3 * sum(target.shape)
        expected[name] = [before + target.nbytes, after + rank_3]
    rest = found.pop(REST)
    assert found == {name: tuple(nbytes) for name, nbytes in expected.items()}
    assert rest[0] == rest[1] > 0


def test_an_offset_is_counted(llama: LanguageModel) -> None:
    plain, shifted = randomised(llama), randomised(llama, offset=True)
    cols = sum(target.shape[1] for target in llama.targets)
    assert total_bytes(shifted) - total_bytes(plain) == 2 * cols


def test_what_layers_share_is_counted_once(llama: LanguageModel) -> None:
    targets = [t for t in llama.targets if t.family == "query"]
    stacked = random_factors((2 * D, D), rank=4)
    split: list[CompressedMatrix] = split_rows(stacked, [D, D])
    small = with_matrices(llama, dict(zip([t.name for t in targets], split, strict=True)))
    saved = sum(target.nbytes for target in targets) - stacked.nbytes
    assert total_bytes(llama) - total_bytes(small) == saved
    assert stacked.nbytes == 2 * 4 * (2 * D + D)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_bytes_go_by_the_checkpoints_type_not_by_that_of_computation(
    llama: LanguageModel, dtype: torch.dtype
) -> None:
    assert {parameter.dtype for parameter in llama.module.parameters()} == {torch.float32}
    stored = replace(llama, dtype=dtype)
    assert total_bytes(stored) == dtype.itemsize * llama.parameters


def test_whole_numbers_count_as_what_they_are(llama: LanguageModel) -> None:
    before = total_bytes(llama)
    block = llama.module.get_submodule("model.layers.0")
    block.register_buffer("codes", torch.zeros(5, dtype=torch.uint8))
    block.register_buffer("ids", torch.zeros(3, dtype=torch.int32))
    block.register_buffer("scratch", torch.zeros(100), persistent=False)
    assert total_bytes(llama) - before == 5 + 12


def test_every_tensor_has_one_name(any_model: LanguageModel) -> None:
    stored = list(stored_tensors(randomised(any_model)))
    assert (
        len({one.name for one in stored}) == len({id(one.tensor) for one in stored}) == len(stored)
    )
    assert all(isinstance(one.tensor, nn.Parameter | torch.Tensor) for one in stored)


def test_the_cache_has_the_bytes_of_its_formula(any_model: LanguageModel) -> None:
    found = cache_bytes(any_model)
    if any_model.kind == "masked":
        assert found == 0
        return
    config = any_model.module.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    assert found == 2 * config.num_hidden_layers * heads * width * any_model.dtype.itemsize


def answering(answer: Callable[[torch.Tensor], object]) -> Any:
    """A module that keeps whatever it is told to."""

    class Module:
        device = torch.device("cpu")

        def __call__(self, ids: torch.Tensor, use_cache: bool) -> object:
            return answer(ids)

    return Module()


@pytest.mark.parametrize("answer", [SimpleNamespace(), SimpleNamespace(past_key_values=None)])
def test_what_keeps_no_keys_has_no_cache(llama: LanguageModel, answer: object) -> None:
    stateful = replace(llama, module=answering(lambda ids: answer))
    assert cache_bytes(stateful) == 0


def test_states_that_do_not_grow_are_not_counted(llama: LanguageModel) -> None:
    def answer(ids: torch.Tensor) -> object:
        grown = torch.zeros(ids.shape[1], 6)
        layers = [
            SimpleNamespace(keys=grown, values=grown),
            SimpleNamespace(keys=torch.zeros(100), values=None),
            SimpleNamespace(states=torch.zeros(9)),
        ]
        return SimpleNamespace(past_key_values=SimpleNamespace(layers=layers))

    hybrid = replace(llama, module=answering(answer))
    assert cache_bytes(hybrid) == 12 * llama.dtype.itemsize


def test_a_cache_that_wants_more_than_tokens_is_none(llama: LanguageModel) -> None:
    def answer(ids: torch.Tensor) -> object:
        raise ValueError("give me a cache")

    assert cache_bytes(replace(llama, module=answering(answer))) == 0
