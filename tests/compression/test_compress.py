"""The loop that changes a model: everything first, swap last, and never the original."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from compress_lib.compression.compress import compress_at_once
from compress_lib.compression.target_compressor import CompressedTarget
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import CompressionError, StoppedError
from compress_lib.models.layers import CompressedEmbedding, CompressedLinear
from compress_lib.models.loading import LanguageModel
from compress_lib.models.stored_tensors import total_bytes
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.utils.progress import Event
from tests.support.tiny import tiny_model

TEXT = Calibration.from_blocks(tuple(torch.arange(300).split(100)))


def squeeze(
    model: LanguageModel, *rules: Rule, **more: Any
) -> tuple[list[CompressedTarget], LanguageModel]:
    assigned = allocate(Plan(rules=rules), model.targets)
    return compress_at_once(model, assigned, calibration=TEXT, **more)


def test_every_architecture_compresses_and_computes_with_the_factors(
    any_model: LanguageModel,
) -> None:
    before = copy.deepcopy(any_model.module.state_dict())
    ids = torch.arange(50)[None]
    logits = any_model.module(ids).logits
    done, compressed = squeeze(any_model, Rule(pattern="*", method="svd", keep=0.5))
    assert len(done) == len(any_model.targets)
    changed = compressed.module(ids).logits
    assert torch.isfinite(changed).all()
    # The papers' code measured the original again: its tensors were shared and written back.
    assert not torch.allclose(changed, logits, atol=1e-2)
    assert torch.equal(any_model.module(ids).logits, logits)
    after = any_model.module.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_the_compressed_model_computes_what_its_dense_matrices_say(
    any_model: LanguageModel,
) -> None:
    done, compressed = squeeze(any_model, Rule(pattern="*", method="svd", keep=0.6))
    from compress_lib.compression.stacking import with_matrices
    from compress_lib.matrices import DenseMatrix

    as_dense = {
        item.record.names[0]: DenseMatrix.from_weight(item.matrix.to_dense()) for item in done
    }
    dense = with_matrices(any_model, dict(as_dense))
    ids = torch.arange(40)[None]
    assert torch.allclose(
        compressed.module(ids).logits, dense.module(ids).logits, atol=2e-3, rtol=1e-3
    )


def test_what_is_not_compressed_is_shared_not_copied(llama: LanguageModel) -> None:
    _, compressed = squeeze(llama, Rule(pattern="query"))
    original = llama.module.get_parameter("model.layers.0.mlp.up_proj.weight")
    assert compressed.module.get_parameter("model.layers.0.mlp.up_proj.weight") is original


def test_a_tied_pair_stays_tied_and_is_counted_once(llama: LanguageModel) -> None:
    done, compressed = squeeze(llama, Rule(pattern="embedding", keep=0.5))
    table = compressed.module.get_input_embeddings()
    head = compressed.module.get_output_embeddings()
    assert isinstance(table, CompressedEmbedding)
    assert isinstance(head, CompressedLinear)
    assert head.parts[0] is table.matrix is done[0].matrix
    saved = done[0].record.bytes_before - done[0].record.bytes_after
    assert total_bytes(llama) - total_bytes(compressed) == saved


def test_all_bytes_kept_changes_almost_nothing(llama: LanguageModel) -> None:
    # A square weight at keep 1 has half its rank; only the tall table is close to complete.
    done, compressed = squeeze(llama, Rule(pattern="embedding", method="svd", keep=1.0))
    assert done[0].record.rank == 29
    assert done[0].record.relative_error < 0.25
    assert compressed is not llama


def test_records_say_what_an_independent_computation_says(llama: LanguageModel) -> None:
    done, _ = squeeze(llama, Rule(pattern="query@0", method="svd", keep=0.5))
    record = done[0].record
    weight = llama.module.get_parameter("model.layers.0.self_attn.q_proj.weight").double()
    values = torch.linalg.svdvals(weight)
    assert record.rank == 8
    expected = (values[8:].square().sum() / values.square().sum()).sqrt()
    assert record.relative_error == pytest.approx(float(expected), rel=1e-3)
    cosine = torch.nn.functional.cosine_similarity(weight, done[0].matrix.to_dense().double())
    assert record.direction_error.mean == pytest.approx(float((1 - cosine).mean()), rel=1e-4)
    assert record.direction_error.max == pytest.approx(float((1 - cosine).max()), rel=1e-4)
    assert record.bytes_after == 2 * 8 * (32 + 32)


def test_the_table_tells_its_histogram_and_its_worst_tokens(llama: LanguageModel) -> None:
    done, _ = squeeze(llama, Rule(pattern="embedding"), Rule(pattern="query"))
    direction = done[0].direction
    assert direction is not None
    assert sum(direction.counts) == sum(direction.control_counts) == 320
    assert direction.worst[0].error == pytest.approx(done[0].record.direction_error.max)
    assert direction.worst[0].error >= direction.worst[-1].error >= direction.best[0].error
    assert done[0].record.direction_error.weighted_mean is not None
    assert all(item.direction is None for item in done[1:])


def test_methods_that_look_at_text_get_it(llama: LanguageModel) -> None:
    options = {"epochs": 2, "eval_every": 1}
    rules = (
        Rule(pattern="query@0", method="autoencoder", options=options),
        Rule(pattern="embedding", method="frequency_svd"),
    )
    done, _ = squeeze(llama, *rules)
    assert {item.record.method for item in done} == {"autoencoder", "frequency_svd"}
    assigned = allocate(Plan(rules=rules), llama.targets)
    with pytest.raises(CompressionError, match="needs calibration text"):
        compress_at_once(llama, assigned)


def test_a_broken_weight_is_named_and_nothing_is_swapped(llama: LanguageModel) -> None:
    with torch.no_grad():
        llama.module.get_parameter("model.layers.1.self_attn.q_proj.weight")[0, 0] = float("nan")
    with pytest.raises(CompressionError, match=r"^model\.layers\.1\.self_attn\.q_proj: .*finite"):
        squeeze(llama, Rule(pattern="query"))
    assert not any(isinstance(m, CompressedLinear) for m in llama.module.modules())


def test_progress_rises_and_can_stop_the_work(llama: LanguageModel) -> None:
    seen: list[float] = []
    squeeze(llama, Rule(pattern="*"), report=lambda event: seen.append(event.fraction))
    assert seen == sorted(seen)

    def stop(event: Event) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        squeeze(llama, Rule(pattern="*"), report=stop)


def test_fewer_multiply_adds_and_less_memory_are_used() -> None:
    model = tiny_model("llama")
    _, compressed = squeeze(model, Rule(pattern="*", method="svd", keep=0.5))

    def cost(which: LanguageModel) -> tuple[int, int]:
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            which.module(torch.arange(64)[None], use_cache=False)
        memory = {id(p): p.nbytes for p in which.module.parameters()}
        return counter.get_total_flops(), sum(memory.values())

    dense, small = cost(model), cost(compressed)
    assert small[0] < 0.75 * dense[0]
    assert small[1] < 0.6 * dense[1]
