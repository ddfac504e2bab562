"""Layer by layer: the inputs of the model compressed so far, the outputs of the original one."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from compress_lib.compression.compress import compress_at_once
from compress_lib.compression.output_matching import match_outputs
from compress_lib.compression.stacking import with_matrices
from compress_lib.compression.target_compressor import CompressedTarget
from compress_lib.errors import CompressionError, StoppedError
from compress_lib.methods import METHODS
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import from_query, to_query
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.utils.progress import Event
from tests.support.inputs import TEXT, inputs_of, pair
from tests.support.tiny import CONFIGURATIONS, MASKED, tiny_model, weight_of

LAYERS = "query,key,value,attention_output,ffn_gate,ffn_in,ffn_out"


def rule(**changes: Any) -> Rule:
    usual = Rule(pattern=LAYERS, method="svd", keep=0.5, inputs="compressed")
    return replace(usual, **changes)


def squeeze(
    model: LanguageModel, *rules: Rule, **more: Any
) -> tuple[list[CompressedTarget], LanguageModel]:
    assigned = allocate(Plan(rules=rules), model.targets)
    return compress_at_once(model, assigned, calibration=TEXT, **more)


def families(model: LanguageModel) -> str:
    """A pattern of the families that a model has in its blocks."""
    return ",".join({t.family for t in model.targets if t.layer is not None})


def test_a_layer_undoes_what_the_one_before_it_lost() -> None:
    """Two linear layers: the first shrinks and mixes its outputs, which W′ = W A⁻¹ undoes."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(200, 6, generator=draw, dtype=torch.float64)
    mix = torch.eye(6, dtype=torch.float64) + 0.3 * torch.randn(
        6, 6, generator=draw, dtype=torch.float64
    )
    weight = torch.randn(4, 6, generator=draw, dtype=torch.float64)
    found = match_outputs(weight, pair(x, x @ mix.T), ridge=1e-12)
    assert torch.allclose(found, weight @ torch.linalg.inv(mix), atol=1e-8)


def test_the_anchored_weight_is_where_the_regularised_error_is_least() -> None:
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(90, 5, generator=draw, dtype=torch.float64)
    seen = x + 0.5 * torch.randn(90, 5, generator=draw, dtype=torch.float64)
    weight = torch.randn(3, 5, generator=draw, dtype=torch.float64)
    inputs = pair(x, seen)
    scale = 0.1 * 5 / 90 * inputs.second_moment.diagonal().mean()
    found = match_outputs(weight, inputs, ridge=0.1).requires_grad_()
    error = (x @ weight.T - seen @ found.T).square().sum(1).mean()
    (error + scale * (found - weight).square().sum()).backward()
    assert found.grad is not None
    assert float(found.grad.abs().max()) < 1e-10


def test_a_lost_direction_stays_lost_and_a_strong_ridge_keeps_the_weight() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(3))
    seen = x.clone()
    seen[:, 1] = 0
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(4))
    found = match_outputs(weight, pair(x, seen))
    assert torch.allclose(found[:, 1], weight[:, 1])
    assert torch.allclose(match_outputs(weight, pair(x, seen), ridge=1e12), weight, atol=1e-6)
    assert torch.equal(match_outputs(weight, pair(x, torch.zeros_like(x))), weight)


def test_as_long_as_nothing_is_compressed_a_weight_is_what_it_was() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(3))
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(4)).half()
    assert torch.equal(match_outputs(weight, pair(x, x.clone())), weight)
    model = tiny_model()
    (usual, *_), _ = squeeze(model, rule(pattern="query@0", inputs="original"))
    (first, *_), _ = squeeze(model, rule(pattern="query@0"))
    assert torch.equal(usual.matrix.to_dense(), first.matrix.to_dense())


@pytest.mark.parametrize("architecture", [*CONFIGURATIONS, *MASKED])
def test_every_architecture_goes_block_by_block(architecture: str) -> None:
    model = tiny_model(architecture)
    before = copy.deepcopy(model.module.state_dict())
    done, small = squeeze(model, rule(pattern=families(model), method="row_quantization"))
    assert len(done) == sum(t.layer is not None for t in model.targets)
    layers = [item.record.layer for item in done]
    assert layers == sorted(layers)  # type: ignore[type-var]
    after = model.module.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    matrices = {item.record.names[0]: item.matrix for item in done}
    ids = TEXT.input_blocks[0][None]
    expected = with_matrices(model, matrices).module(ids).logits
    assert torch.equal(small.module(ids).logits, expected)


def test_each_layer_comes_nearer_to_its_original_outputs() -> None:
    model = tiny_model("llama_untied")
    errors = {}
    for inputs in ("original", "compressed"):
        _, small = squeeze(model, rule(method="output_pca", keep=0.6, inputs=inputs))
        path = "model.layers.1.mlp.down_proj"
        y = inputs_of(model, path) @ weight_of(model, path).T
        layer = small.module.get_submodule(path)
        errors[inputs] = float((y - layer(inputs_of(small, path))).square().mean())
    assert errors["compressed"] < 0.9 * errors["original"]


def test_a_stored_bias_keeps_the_original_mean_output() -> None:
    model = tiny_model("llama_untied")
    done, small = squeeze(model, rule(method="output_pca", keep=0.6))
    for item in done:
        path = item.record.names[0]
        wanted = inputs_of(model, path).mean(0) @ weight_of(model, path).T
        found = small.module.get_submodule(path)(inputs_of(small, path)).mean(0)
        assert torch.allclose(found, wanted, atol=3e-3), path


def test_what_does_not_wait_is_there_first() -> None:
    """An embedding, and a fused weight's other part, belong to the model compressed so far."""
    model = tiny_model("gpt2")
    key = Rule(pattern="key", method="svd", keep=0.3)
    table = Rule(pattern="embedding", method="svd", keep=0.3)
    done, _ = squeeze(model, table, rule(pattern="query,ffn_in"), key)
    assert [item.record.family for item in done[:3]] == ["embedding", "key", "key"]
    query = next(item for item in done if item.record.family == "query")
    (usual,), _ = squeeze(model, rule(pattern="query@0", inputs="original"))
    assert not torch.equal(query.matrix.to_dense(), usual.matrix.to_dense())


def test_a_table_is_compressed_as_usual() -> None:
    model = tiny_model("llama_untied")
    tables = rule(pattern="embedding,head")
    done, _ = squeeze(model, tables)
    usual, _ = squeeze(model, replace(tables, inputs="original"))
    for a, b in zip(done, usual, strict=True):
        assert torch.equal(a.matrix.to_dense(), b.matrix.to_dense())


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_works_with_other_inputs_as_it_is(method: str) -> None:
    model = tiny_model()
    try:
        METHODS[method]().check_applies("ffn_in", "it")
    except CompressionError:
        pytest.skip("does not apply to layers")
    known = {option.name for option in METHODS[method].options()}
    options = {"epochs": 2} if "epochs" in known else {}
    rules = rule(pattern="ffn_in", method=method, options=options, keep=0.6)
    done, small = squeeze(model, rule(pattern="query,ffn_out"), rules)
    again, _ = squeeze(model, rule(pattern="query,ffn_out"), rules)
    for a, b in zip(done, again, strict=True):
        assert torch.equal(a.matrix.to_dense(), b.matrix.to_dense())
        assert a.record.bytes_after == b.record.bytes_after <= 0.6 * a.record.bytes_before
    assert torch.isfinite(small.module(TEXT.input_blocks[0][None]).logits).all()


def test_bytes_are_shared_out_before_and_columns_may_be_the_data(tmp_path: Path) -> None:
    model = tiny_model()
    for changes in (
        {"method": "two_sided_svd", "allocation": "automatic"},
        {"orientation": "columns"},
    ):
        done, small = squeeze(model, rule(**changes))
        assert {item.record.orientation for item in done} <= {changes.get("orientation", "rows")}
        ids = TEXT.input_blocks[0][None]
        again = load_compressed(save_compressed(small, tmp_path / "small"))
        assert torch.equal(again.module(ids).logits, small.module(ids).logits)


def test_progress_rises_and_can_stop_the_work_anywhere() -> None:
    model = tiny_model()
    seen: list[tuple[float, str]] = []
    squeeze(model, rule(), report=lambda event: seen.append((event.fraction, event.message)))
    assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)
    assert any("Block 1 of 2" in message for _, message in seen)
    for number in (0, len(seen) // 2, len(seen) - 1):
        left = [number]

        def stop(event: Event, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise StoppedError

        with pytest.raises(StoppedError):
            squeeze(model, rule(), report=stop)
        hooks = [m._forward_pre_hooks or m._forward_hooks for m in model.module.modules()]
        assert not any(hooks)


def test_without_text_and_with_groups_it_is_refused() -> None:
    model = tiny_model()
    assigned = allocate(Plan(rules=(rule(),)), model.targets)
    with pytest.raises(CompressionError, match="needs calibration text"):
        compress_at_once(model, assigned)
    with pytest.raises(CompressionError, match="spans several blocks"):
        rule(group="concatenated")
    with pytest.raises(CompressionError, match="Did you mean 'compressed'"):
        rule(inputs="compresed")


def test_the_word_is_part_of_links_and_keys_only_where_it_says_something() -> None:
    plan = Plan(rules=(rule(), rule(pattern="ffn_in@1", method=DENSE)))
    assert from_query(to_query(plan)) == plan
    assert Plan.from_json(plan.to_json()) == plan
    usual = Plan(rules=(rule(inputs="original"),))
    assert usual.key == Plan(rules=(Rule(pattern=LAYERS, method="svd", keep=0.5),)).key
    assert usual.key != Plan(rules=(rule(),)).key
    assert rule(method=DENSE) == rule(method=DENSE, inputs="original")
