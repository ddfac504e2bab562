"""Uniform quantization: bit packing, at most 2^bits values, error of at most half a step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices.packing import pack, packed_width, unpack
from compress_lib.matrices.quantized.uniform import QuantizedMatrix
from compress_lib.matrices.views import split_rows
from compress_lib.methods import build_method
from compress_lib.methods.quantization.rounding import quantize
from compress_lib.methods.statistics import Statistics


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


# Packing.


@settings(max_examples=60, deadline=None)
@given(bits=st.integers(1, 8), rows=st.integers(1, 5), count=st.integers(1, 40))
def test_codes_come_back_from_exactly_their_bits(bits: int, rows: int, count: int) -> None:
    codes = torch.randint(0, 2**bits, (rows, count), generator=torch.Generator().manual_seed(bits))
    packed = pack(codes.to(torch.uint8), bits)
    assert packed.dtype == torch.uint8
    assert packed.shape == (rows, packed_width(count, bits))
    assert packed.shape[1] == -(-count // 8) * bits
    assert torch.equal(unpack(packed, bits, count), codes.to(torch.uint8))


def test_two_four_bit_codes_share_a_byte_lowest_first() -> None:
    packed = pack(torch.tensor([[1, 2, 15, 0, 7, 8, 3, 4]]), 4)
    assert packed.tolist() == [[0x21, 0x0F, 0x87, 0x43]]


def test_three_bit_codes_cross_bytes() -> None:
    # 1 + 2·8 + 3·64 + 4·512 + … as one little-endian number of 24 bits.
    codes = [1, 2, 3, 4, 5, 6, 7, 0]
    number = sum(code << (3 * index) for index, code in enumerate(codes))
    assert bytes(pack(torch.tensor([codes]), 3)[0].tolist()) == number.to_bytes(3, "little")


# Rounding.


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_at_most_two_to_the_bits_values_and_both_ends_are_used(
    bits: int, dtype: torch.dtype
) -> None:
    """Code published with the papers used 2^bits + 1 values."""
    weight = random(20, 4000).to(dtype)
    matrix = quantize(weight, bits)
    codes = unpack(matrix.codes, bits, 4000)
    assert torch.equal(codes.amin(dim=1), torch.zeros(20, dtype=torch.uint8))
    # bfloat16 has 8 significant bits, too few for a step of 1/255 of the range to reach the last
    # code; only an error of half a step is guaranteed there.
    least = 254 if (bits, dtype) == (8, torch.bfloat16) else 2**bits - 1
    assert (codes.amax(dim=1) >= least).all()
    decoded = matrix.to_dense()
    assert max(len(row.unique()) for row in decoded) <= 2**bits
    # The ends are the row's minimum and maximum, up to the precision of the type.
    wide = weight.float()
    assert torch.equal(decoded.amin(dim=1), wide.amin(dim=1))
    assert torch.allclose(decoded.amax(dim=1), wide.amax(dim=1), rtol=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, 32), (3, 50), (1, 7)])
def test_no_entry_is_off_by_more_than_half_a_step(
    dtype: torch.dtype, bits: int, group: int | None
) -> None:
    weight = random(40, 100).to(dtype)
    matrix = quantize(weight, bits, group)
    steps = matrix.steps.repeat_interleave(matrix.group, dim=1)[:, :100]
    assert ((matrix.to_dense() - weight.float()).abs() <= steps * 0.5001).all()


def test_evenly_spaced_values_are_kept_exactly() -> None:
    weight = torch.arange(16.0).repeat(3, 1).half() * 0.25 - 2
    assert torch.equal(quantize(weight, 4).to_dense(), weight.float())


def test_smaller_groups_are_closer() -> None:
    weight = random(30, 128).half()
    errors = [float((quantize(weight, 4, g).to_dense() - weight).norm()) for g in (128, 32, 8)]
    assert errors == sorted(errors, reverse=True)


def test_the_mean_squared_error_is_that_of_uniform_rounding() -> None:
    """The variance of a uniform error is step² ÷ 12."""
    weight = random(8, 20_000)
    matrix = quantize(weight, 6)
    error = (matrix.to_dense() - weight).square().mean(dim=1)
    assert torch.allclose(error, matrix.steps[:, 0].square() / 12, rtol=0.05)


@pytest.mark.parametrize("value", [0.0, 1.5, -3e4, 6e-8])
def test_rows_of_one_value_are_kept(value: float) -> None:
    weight = torch.full((4, 9), value).half()
    assert torch.equal(quantize(weight, 2, 4).to_dense(), weight.float())


@pytest.mark.parametrize("scale", [1e-7, 1e-6, 1e-5, 1e-4])
def test_tiny_rows_keep_their_range(scale: float) -> None:
    """Steps below the smallest float16 number would round to 0."""
    weight = (random(6, 200) * scale).half()
    matrix = quantize(weight, 8)
    smallest = 6e-8
    assert (matrix.to_dense() - weight.float()).abs().max() <= max(
        smallest / 2, float(matrix.steps.max()) * 0.51
    )


def test_a_range_too_wide_for_its_type_is_refused() -> None:
    weight = torch.tensor([[-6e4, 6e4, 0.0]]).half()
    with pytest.raises(CompressionError, match="not finite in float16"):
        quantize(weight, 1)
    assert torch.equal(quantize(weight, 2).to_dense()[:, :2], weight[:, :2].float())


# The method and its bytes.


def compress(weight: torch.Tensor, budget: int, **options: object) -> QuantizedMatrix:
    method = build_method("row_quantization", options)
    matrix = method.compress_within(weight, budget, Statistics())
    assert isinstance(matrix, QuantizedMatrix)
    assert matrix.rank is None
    return matrix


def test_bytes_add_up_and_the_most_bits_that_fit_are_taken() -> None:
    weight = random(10, 30).half()
    # 30 one-bit codes take four bytes; a step and a minimum take two bytes each.
    sizes = {bits: 10 * (4 * bits + 4) for bits in range(1, 9)}
    for bits, nbytes in sizes.items():
        assert compress(weight, nbytes).bits == bits
        assert compress(weight, nbytes).nbytes == nbytes
        assert compress(weight, nbytes + 39).bits == bits
        assert compress(weight, 400, bits=bits).nbytes == nbytes
    assert compress(weight, 600).bits == 8


def test_bits_that_do_not_fit_are_refused_with_what_would() -> None:
    with pytest.raises(BudgetError, match=r"5-bit codes.*at least 240 bytes, a keep of 0\.4000"):
        compress(random(10, 30).half(), 239, bits=5)
    with pytest.raises(BudgetError, match=r"1-bit codes.*at least 80 bytes"):
        compress(random(10, 30).half(), 79)


@pytest.mark.parametrize("bits", [-1, 9, 2.5, "four"])
def test_bits_out_of_range_are_refused(bits: object) -> None:
    with pytest.raises(CompressionError, match="option bits must be a"):
        build_method("row_quantization", {"bits": bits})


def test_parts_by_rows_share_nothing_and_weigh_the_same() -> None:
    whole = quantize(random(12, 20).half(), 5, 8)
    parts = split_rows(whole, [5, 7])
    assert all(isinstance(part, QuantizedMatrix) for part in parts)
    assert sum(part.nbytes for part in parts) == whole.nbytes
