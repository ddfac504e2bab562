"""Factors in few bits: exact bytes, and rounding that the rest makes up for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices import CompressedMatrix, LowRankMatrix
from compress_lib.matrices.autoencoder import DecoderMatrix
from compress_lib.matrices.factored.product import ProductMatrix
from compress_lib.matrices.quantized.uniform import QuantizedMatrix
from compress_lib.methods import build_method
from compress_lib.methods.linalg import truncate_svd
from compress_lib.methods.low_rank.base import LowRankMethod
from compress_lib.methods.low_rank.encoding import encode, refit
from compress_lib.methods.low_rank.storage_sizes import STORAGES, FactorStorage
from compress_lib.methods.quantization.rounding import quantize
from compress_lib.methods.statistics import Statistics
from tests.support.storages import CASES

SHAPES = [(40, 70), (70, 40)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape) + seed))


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


# Bytes.


storages = st.builds(
    FactorStorage,
    st.sampled_from(STORAGES),
    st.sampled_from([0, 2, 3, 4, 5, 6, 7, 8]),
    st.sampled_from([0, 0, 5, 64, 10_000]),
)


@settings(max_examples=150, deadline=None)
@given(storage=storages, rows=st.integers(1, 24), cols=st.integers(1, 24), data=st.data())
def test_bytes_are_known_before_anything_is_stored(
    storage: FactorStorage, rows: int, cols: int, data: st.DataObject
) -> None:
    rank = data.draw(st.integers(1, min(rows, cols)))
    matrix = encode(random(rows, rank), random(rank, cols), torch.float16, storage)
    assert matrix.nbytes == storage.nbytes((rows, cols), rank, 2)
    assert matrix.rank == rank
    assert torch.isfinite(matrix.to_dense()).all()


@settings(max_examples=150, deadline=None)
@given(storage=storages, rows=st.integers(1, 90), cols=st.integers(1, 90), data=st.data())
def test_no_larger_rank_fits_but_for_its_multiple_of_eight(
    storage: FactorStorage, rows: int, cols: int, data: st.DataObject
) -> None:
    shape, fixed = (rows, cols), data.draw(st.integers(0, 5))
    sizes = [storage.nbytes(shape, rank, 2) + 2 * fixed for rank in range(1, min(shape) + 1)]
    budget = data.draw(st.integers(0, max(sizes) + 10))
    fitting = [rank for rank, size in enumerate(sizes, start=1) if size <= budget]
    if not fitting:
        with pytest.raises(BudgetError, match="below rank 1"):
            storage.largest_rank(shape, budget, 2, fixed)
        return
    rank, most = storage.largest_rank(shape, budget, 2, fixed), max(fitting)
    assert rank in fitting
    assert rank == most or (not storage.plain and rank % 8 == 0 and most - rank <= 0.02 * most)


@pytest.mark.parametrize("numbers", [1, 2, 3, 5000])
def test_plain_factors_have_the_rank_that_they_always_had(numbers: int) -> None:
    for budget in range(1000, 9000, 37):
        expected = (budget // 2 - 11) // 100
        assert FactorStorage().largest_rank((60, 40), budget, 2, 11) == min(expected, 40)


def test_a_group_of_its_own_changes_nothing_in_plain_factors() -> None:
    """A group is about codes, and there are none."""
    matrix = encode(random(9, 2), random(2, 7), torch.float16, FactorStorage(group=32))
    assert isinstance(matrix, LowRankMatrix)


def test_groups_are_whole_rows_at_eight_bits_and_64_columns_below() -> None:
    left, right = random(100, 80), random(80, 200)
    for bits, group, expected in ((8, 0, (80, 200)), (4, 0, (64, 64)), (8, 16, (16, 16))):
        matrix = encode(left, right, torch.float16, FactorStorage(bits=bits, group=group))
        assert isinstance(matrix, ProductMatrix)
        assert isinstance(matrix.left, QuantizedMatrix)
        assert isinstance(matrix.right, QuantizedMatrix)
        assert (matrix.left.group, matrix.right.group) == expected
        assert (matrix.left.bits, matrix.right.bits) == (bits, bits)


@pytest.mark.parametrize("method", ["svd", "output_pca", "autoencoder"])
@pytest.mark.parametrize(("bits", "words"), [(1, "2 to 8, not 1"), (9, "from 0 to 8"), (-1, "0")])
def test_bits_out_of_range_are_refused(method: str, bits: int, words: str) -> None:
    with pytest.raises(CompressionError, match=words):
        build_method(method, {"factor_bits": bits})


@pytest.mark.parametrize(
    "case",
    [
        case
        for case, (name, options) in CASES.items()
        if isinstance(build_method(name, options), LowRankMethod)
    ],
)
def test_the_bytes_of_a_rank_are_those_of_its_preview(case: str) -> None:
    name, options = CASES[case]
    method = build_method(name, options)
    assert isinstance(method, LowRankMethod)
    seen = method.preview((300, 200), budget=60_000, itemsize=2)
    assert seen.rank is not None
    assert method.rank_bytes((300, 200), seen.rank, 2) == seen.nbytes <= 60_000


# Rounding.


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("storage", "most"), [("factors", 0.02), ("pivoted", 0.04)])
def test_eight_bits_are_nearly_free(shape: tuple[int, int], storage: str, most: float) -> None:
    left, right = random(shape[0], 16), random(16, shape[1])
    matrix = encode(left, right, torch.float16, FactorStorage(storage, 8))
    assert error(matrix.to_dense(), left @ right) < most


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [2, 3, 4, 6])
def test_what_is_rounded_last_makes_up_for_the_rest(shape: tuple[int, int], bits: int) -> None:
    left, right = truncate_svd(random(*shape), 24)
    matrix = encode(left, right, torch.float16, FactorStorage(bits=bits))
    separately = [quantize(factor.half(), bits, 64).to_dense() for factor in (left, right)]
    assert error(matrix.to_dense(), left @ right) < 0.95 * error(
        separately[0] @ separately[1], left @ right
    )


@pytest.mark.parametrize("storage", STORAGES)
def test_more_bits_are_closer(storage: str) -> None:
    left, right = truncate_svd(random(60, 80), 30)
    errors = [
        error(
            encode(left, right, torch.float16, FactorStorage(storage, bits)).to_dense(),
            left @ right,
        )
        for bits in (2, 3, 4, 5, 6, 8, 0)
    ]
    assert errors == sorted(errors, reverse=True)


def test_factors_of_unequal_size_are_balanced_first() -> None:
    left, right = random(40, 6) * 1e-6, random(6, 30) * 1e4
    matrix = encode(left, right, torch.float16, FactorStorage(bits=8))
    assert error(matrix.to_dense(), left @ right) < 0.02


def test_refitting_is_least_squares() -> None:
    left, right = random(30, 5).double(), random(5, 40).double()
    known = right + 0.1 * random(5, 40, seed=1).double()
    fitted = refit(left, right, known)
    expected = torch.linalg.lstsq(known.T, (left @ right).T).solution.T
    assert torch.allclose(fitted, expected, atol=1e-3)
    # A change within the span is undone whole, whatever it was.
    mixed = (torch.eye(5) + 0.2 * random(5, 5)).double() @ right
    assert error(refit(left, right, mixed) @ mixed, left @ right) < 1e-3


@pytest.mark.parametrize("known", [torch.zeros(4, 6), torch.ones(4, 6)])
def test_refitting_to_what_lost_its_rank_stays_finite(known: Tensor) -> None:
    found = refit(random(8, 4).double(), random(4, 6).double(), known.double())
    assert torch.isfinite(found).all()


# With a bias, and in the autoencoder.


@pytest.mark.parametrize("options", [{"factor_bits": 3}, {"storage": "pivoted", "factor_bits": 4}])
def test_a_bias_knows_what_was_stored(options: dict[str, object]) -> None:
    weight = random(64, 48).half()
    inputs = random(500, 48) + 3.0
    known = Statistics(second_moment=inputs.T @ inputs / 500, mean=inputs.mean(0))
    method = build_method("output_pca", options)
    matrix = method.compress_within(weight, weight.nbytes // 2, known)
    assert matrix.bias is not None
    mean = inputs.mean(0)
    exact = weight.float() @ mean
    assert error(matrix.linear(mean) + matrix.bias, exact) < 2e-3
    assert error(matrix.linear(mean), exact) > 0.02


AUTOENCODERS: list[dict[str, object]] = [
    {},
    {"bias": False, "norms": "folded"},
    {"norms": "stored"},
    {"encoder": "4", "decoder": "3"},
    {"encoder": "4", "decoder": "3", "bias": False, "norms": "folded"},
    {"decoder": "2,4", "tanh": True, "norms": "stored", "use_full_budget": False},
]


def trained(weight: Tensor, budget: int, **options: object) -> CompressedMatrix:
    settings = {"epochs": 2, "batch_size": 64, "select_best_by": "none", **options}
    method = build_method("autoencoder", settings)
    seen = method.preview((weight.shape[0], weight.shape[1]), budget=budget, itemsize=2)
    matrix = method.compress_within(weight, budget, Statistics())
    assert (matrix.nbytes, matrix.rank) == (seen.nbytes, seen.rank)
    assert matrix.nbytes <= budget
    return matrix


@pytest.mark.parametrize("options", AUTOENCODERS)
@pytest.mark.parametrize("bits", [8, 4])
def test_an_autoencoder_in_few_bits_has_the_wider_latent(
    options: dict[str, object], bits: int
) -> None:
    weight = random(256, 96).half()
    budget = weight.nbytes // 4
    plain, coded = (trained(weight, budget, **options, factor_bits=b) for b in (0, bits))
    assert plain.rank is not None and coded.rank is not None
    assert coded.rank > plain.rank
    # What is left does not pay for another unit.
    assert coded.nbytes > 0.8 * budget
    if isinstance(coded, DecoderMatrix):
        assert isinstance(coded.latents, QuantizedMatrix)
        assert all(isinstance(layer, QuantizedMatrix) for layer in coded.layers)
    else:
        assert isinstance(coded, ProductMatrix)


@pytest.mark.parametrize("norms", ["stored", "folded"])
def test_norms_hold_after_rounding(norms: str) -> None:
    weight = (random(200, 32) * torch.logspace(-1, 1, 200)[:, None]).half()
    options = {"encoder": "4", "decoder": "3", "bias": False}
    matrix = trained(weight, weight.nbytes // 2, **options, norms=norms, factor_bits=8)
    # Folded into latents, a norm is rounded once more.
    most = {"stored": 2e-3, "folded": 0.03}[norms]
    assert torch.allclose(matrix.to_dense().norm(dim=1), weight.float().norm(dim=1), rtol=most)
