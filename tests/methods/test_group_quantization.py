"""Quantization in groups: sizes told beforehand, ranges that leave less error, NF4's levels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from compress_lib.compression.compress import compress_at_once
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices.quantized.normal_float import nearest_level, normal_levels
from compress_lib.matrices.quantized.uniform import QuantizedMatrix
from compress_lib.methods import METHODS, build_method
from compress_lib.methods.quantization import rounding
from compress_lib.methods.quantization.rounding import (
    NormalFloatGrid,
    QuantGrid,
    UniformGrid,
    quantize,
    quantize_to,
)
from compress_lib.methods.statistics import Statistics
from compress_lib.models.checkpoint import load_compressed, save_compressed
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from tests.support.tiny import tiny_model

NAMES = sorted(name for name, method in METHODS.items() if method.fixed_size)
LEVELS = {
    "uniform": UniformGrid(3),
    "hqq": UniformGrid(3, range="hqq"),
    "mse": UniformGrid(3, range="mse"),
    "around zero": UniformGrid(3, minimum=False),
    "around zero, hqq": UniformGrid(3, minimum=False, range="hqq"),
    "around zero, mse": UniformGrid(3, minimum=False, range="mse"),
    "normal": NormalFloatGrid(4),
    "normal, mse": NormalFloatGrid(4, "mse"),
}


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.fixture(params=sorted(LEVELS))
def levels(request: pytest.FixtureRequest) -> QuantGrid:
    return LEVELS[request.param]


# Sizes.


@pytest.mark.parametrize(
    ("name", "options", "keep"),
    [
        ("int8", {}, 0.5 + 2 / 640),
        ("int8", {"zero": "none"}, 0.5 + 1 / 640),
        ("int4", {}, 0.28125),
        ("int4", {"zero": "none"}, 0.265625),
        ("int3", {"group_size": 32}, (3 + 1) / 16),
        ("int2", {"group_size": 128}, (2 + 0.25) / 16),
        ("nf4", {}, 0.265625),
    ],
)
def test_the_size_is_that_of_codes_and_of_what_groups_share(
    name: str, options: dict[str, object], keep: float
) -> None:
    shape = (10, 640)
    preview = build_method(name, options).preview(shape, budget=10**6, itemsize=2)
    assert preview.nbytes == round(keep * 2 * 10 * 640)
    assert preview.rank is None and preview.note == f"{name[-1]} bits"
    weight = random(*shape).half()
    matrix = build_method(name, options).compress_within(weight, 10**6, Statistics())
    assert matrix.nbytes == preview.nbytes


def test_a_keep_below_the_size_is_refused_with_what_is_needed() -> None:
    method = build_method("int4", {})
    message = r"1,799 bytes are too few.*10 × 320.*at least 1,800 bytes, a keep of 0\.2813"
    with pytest.raises(BudgetError, match=message):
        method.preview((10, 320), budget=1799, itemsize=2)
    assert method.preview((10, 320), budget=1800, itemsize=2).nbytes == 1800


@pytest.mark.parametrize("name", NAMES)
def test_a_group_wider_than_the_row_is_the_row(name: str) -> None:
    weight = random(6, 40).half()
    whole, wide = (
        build_method(name, {"group_size": group}).compress_within(weight, 10**4, Statistics())
        for group in (0, 100)
    )
    assert torch.equal(whole.to_dense(), wide.to_dense())
    assert whole.nbytes == wide.nbytes


# Ranges.


def squared(levels: QuantGrid, weight: Tensor, group: int) -> Tensor:
    error = quantize_to(levels, weight, group).to_dense() - weight.float()
    sums: Tensor = error.square().unflatten(1, (-1, group)).sum(-1)
    return sums


@pytest.mark.parametrize("minimum", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_least_squares_never_has_more_error_in_any_group(bits: int, minimum: bool) -> None:
    weight = (random(40, 128) ** 3).half()
    plain = squared(UniformGrid(bits, minimum), weight, 32)
    fitted = squared(UniformGrid(bits, minimum, "mse"), weight, 32)
    assert (fitted <= plain * 1.0001).all()
    assert fitted.sum() < plain.sum() * (0.95 if bits < 8 else 1)
    outer = squared(NormalFloatGrid(bits), weight, 32)
    assert (squared(NormalFloatGrid(bits, "mse"), weight, 32) <= outer * 1.0001).all()


@pytest.mark.parametrize("minimum", [True, False])
def test_half_quadratic_splitting_lowers_the_norm_that_it_is_for(minimum: bool) -> None:
    weight = random(40, 128).half()
    sums = []
    for name in ("minmax", "hqq"):
        found = quantize_to(UniformGrid(4, minimum, name), weight, 32).to_dense()
        error = (found - weight.float()).abs().pow(0.7)
        sums.append(error.unflatten(1, (-1, 32)).sum(-1))
    assert (sums[1] <= sums[0] * 1.0001).all()
    assert sums[1].sum() < sums[0].sum() * 0.98


def test_what_lies_on_a_grid_is_kept_whatever_refines_it() -> None:
    weight = torch.arange(16.0).repeat(3, 1).half() * 0.25 - 2
    for name in ("minmax", "hqq", "mse"):
        assert torch.equal(quantize(weight, 4, range_name=name).to_dense(), weight.float())


def test_the_size_of_weights_changes_nothing_but_the_size(levels: QuantGrid) -> None:
    weight = random(12, 40)
    one, other = (quantize_to(levels, scale * weight, 16).to_dense() for scale in (1, 2.0**-6))
    assert torch.allclose(one * 2.0**-6, other, rtol=1e-4, atol=1e-6)


def test_around_zero_signs_may_be_turned() -> None:
    weight = random(12, 40)
    levels = UniformGrid(3, minimum=False, range="mse")
    turned = quantize_to(levels, -weight, 16).to_dense()
    assert torch.allclose(turned, -quantize_to(levels, weight, 16).to_dense(), atol=1e-6)


def test_the_last_group_may_be_shorter(levels: QuantGrid) -> None:
    weight = random(12, 40).half()
    whole = quantize_to(levels, weight, 16)
    parts = [quantize_to(levels, weight[:, a:b].contiguous()) for a, b in ((0, 16), (16, 32))]
    parts.append(quantize_to(levels, weight[:, 32:].contiguous()))
    assert torch.equal(whole.to_dense(), torch.cat([part.to_dense() for part in parts], 1))


def test_rows_are_rounded_alone(levels: QuantGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = random(50, 24).bfloat16()
    whole = quantize_to(levels, weight, 8).to_dense()
    monkeypatch.setattr(rounding, "ELEMENTS", 24 * 7)
    assert torch.equal(quantize_to(levels, weight, 8).to_dense(), whole)


@pytest.mark.parametrize("value", [0.0, 3e4, -6e-8])
def test_groups_of_one_value_stay_finite_and_zero_stays_zero(
    levels: QuantGrid, value: float
) -> None:
    weight = torch.full((4, 9), value).half()
    found = quantize_to(levels, weight, 4).to_dense()
    assert torch.isfinite(found).all()
    # Around zero the outermost value is half a step short of twice the range at most.
    assert ((found - weight.float()).abs() <= max(abs(value) / 7, 6e-8 if value else 0)).all()


def test_one_row_of_one_entry_is_kept(levels: QuantGrid) -> None:
    found = quantize_to(levels, torch.tensor([[1.5]]).half(), 64).to_dense()
    assert torch.allclose(found, torch.tensor([[1.5]]), rtol=torch.finfo(torch.float16).eps)


@pytest.mark.parametrize("name", NAMES)
def test_what_refines_is_one_of_the_known(name: str) -> None:
    with pytest.raises(CompressionError, match="range.*mse"):
        build_method(name, {"range": "mes"})
    # Under the name that it had in version 0.1.0, too.
    with pytest.raises(CompressionError, match="refine.*mse"):
        build_method(name, {"refine": "mes"})


# NF4.


def test_the_levels_are_quantiles_that_lie_evenly_on_both_sides_of_zero() -> None:
    levels = normal_levels(4)
    assert len(levels) == 16
    assert levels[0] == -1 and levels[7] == 0 and levels[15] == 1
    assert (levels.diff() > 0).all()
    outermost = torch.special.ndtri(torch.tensor(1 - (1 / 32 + 1 / 30) / 2, dtype=torch.float64))
    shares = torch.special.ndtr(levels.double() * outermost)
    for side in (shares[:8], shares[7:]):
        assert torch.allclose(side.diff(), side.diff().mean().expand(len(side) - 1), atol=1e-6)


def test_codes_stand_for_the_nearest_level() -> None:
    values = torch.linspace(-1.2, 1.2, 999)
    levels = normal_levels(4)
    nearest = (values[:, None] - levels).abs().argmin(1)
    assert torch.equal(nearest_level(values, 4).long(), nearest)


def test_on_normal_weights_normal_levels_beat_even_ones_at_the_same_bytes() -> None:
    weight = random(200, 256).half()
    normal, even = NormalFloatGrid(4), UniformGrid(4, minimum=False)
    assert quantize_to(normal, weight, 64).nbytes == quantize_to(even, weight, 64).nbytes
    assert squared(normal, weight, 64).sum() < squared(even, weight, 64).sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_model_in_another_type_decodes_the_same(levels: QuantGrid, dtype: torch.dtype) -> None:
    matrix = quantize_to(levels, random(12, 40).bfloat16(), 16)
    expected = matrix.to_dense()
    found = matrix.to(dtype).to_dense()
    assert found.dtype == dtype
    assert torch.allclose(found.float(), expected, rtol=0.02, atol=0.02)


# In a process.


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("zero", [True, False])
def test_products_with_whole_rows_of_codes_lose_no_digits(zero: bool, bits: int) -> None:
    weight = random(30, 200) * 0.01 + torch.arange(30)[:, None]
    matrix = quantize_to(UniformGrid(bits, minimum=zero), weight)
    x = random(5, 200) + 1
    expected = x.double() @ matrix.to_dense().double().T
    assert torch.allclose(matrix.linear(x).double(), expected, rtol=1e-5, atol=1e-5)


def wide_model() -> LanguageModel:
    """Wide enough for what groups share to weigh little."""
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=1,
        num_attention_heads=4,
        tie_word_embeddings=True,
    )
    module = LlamaForCausalLM(config).eval().requires_grad_(False)
    for parameter in module.parameters():
        parameter.copy_(parameter.half().float())
    return replace(tiny_model("llama"), module=module)


def in_memory(model: LanguageModel) -> int:
    return sum(
        parameter.numel() * parameter.element_size() for parameter in model.module.parameters()
    )


@pytest.mark.parametrize(
    ("name", "share"), [("int8", 0.3), ("int4", 0.2), ("nf4", 0.18), ("int3", 0.15), ("int2", 0.12)]
)
def test_memory_in_the_process_falls_too(name: str, share: float, tmp_path: Path) -> None:
    model = wide_model()
    plan = Plan(rules=(Rule(method=name, keep=1.0, options={"range": "minmax"}),))
    small = compress_at_once(model, allocate(plan, model.targets))[1]
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        expected = small.module(ids).logits
    assert in_memory(small) < share * in_memory(model)
    again = load_compressed(save_compressed(small, tmp_path / "saved"), device="cpu")
    with torch.inference_mode():
        assert torch.equal(again.module(ids).logits, expected)
    assert in_memory(again) == in_memory(small)


def test_errors_are_fed_back_to_every_weight_of_a_model_and_to_its_tied_table() -> None:
    model = tiny_model("llama")
    made = torch.Generator().manual_seed(3)
    text = Calibration.from_blocks([torch.randint(300, (128,), generator=made)])
    rule = Rule(method="int3", keep=1.0, options={"algorithm": "gptq", "group_size": 16})
    assigned = allocate(Plan(rules=(rule,)), model.targets)
    done, _ = compress_at_once(model, assigned, calibration=text)
    assert len(done) == len(model.targets)
    assert all(isinstance(item.matrix, QuantizedMatrix) for item in done)
    with pytest.raises(CompressionError, match="calibration"):
        compress_at_once(model, assigned)
