"""Magnitude pruning: the largest entries are kept exactly, and position bytes are counted."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.row_decoding import smallest_integer
from compress_lib.matrices.sparse import SparseMatrix
from compress_lib.matrices.sparse_rows import SparseRowsMatrix
from compress_lib.matrices.views import split_rows
from compress_lib.methods import build_method
from compress_lib.methods.magnitude_pruning import _integer_bytes
from compress_lib.methods.statistics import Statistics


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def compress(weight: torch.Tensor, budget: int, **options: object) -> CompressedMatrix:
    method = build_method("magnitude_pruning", options)
    matrix = method.compress_within(weight, budget, Statistics())
    shape = (weight.shape[0], weight.shape[1])
    preview = method.preview(shape, budget=budget, itemsize=weight.element_size())
    assert matrix.nbytes == preview.nbytes <= budget
    return matrix


def test_the_largest_entries_stay_and_all_others_are_zero() -> None:
    weight = random(20, 30).half()
    # The mask takes 20 rows of 4 bytes; 100 entries of 2 bytes are kept.
    decoded = compress(weight, 20 * 4 + 100 * 2).to_dense()
    order = weight.abs().flatten().argsort(descending=True)
    kept = torch.zeros(600, dtype=torch.bool)
    kept[order[:100]] = True
    assert torch.equal(decoded.flatten(), weight.float().flatten() * kept)


def test_the_error_is_exactly_what_was_dropped() -> None:
    weight = random(40, 24)
    decoded = compress(weight, 40 * 3 + 4 * 500).to_dense()
    dropped = weight.abs().flatten().sort().values[: 40 * 24 - 500]
    assert torch.allclose((decoded - weight).norm(), dropped.norm(), rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    cols=st.integers(1, 300),
    share=st.floats(0.01, 1.5),
    structure=st.sampled_from(["entries", "rows"]),
)
def test_not_one_more_would_fit(rows: int, cols: int, share: float, structure: str) -> None:
    weight = random(rows, cols).half()
    budget = int(share * weight.nbytes)
    try:
        matrix = compress(weight, budget, structure=structure)
    except BudgetError:
        return
    each = cols * 2 if structure == "rows" else 2
    if isinstance(matrix, SparseMatrix) and matrix.layout == "columns":
        each += 1 if cols <= 256 else 2
    everything = len(matrix.values) == (rows if structure == "rows" else rows * cols)  # type: ignore[arg-type]
    assert everything or budget - matrix.nbytes < each


def test_few_entries_are_listed_and_many_are_marked() -> None:
    weight = random(64, 512).half()
    few, many = compress(weight, 3000), compress(weight, 30_000)
    assert isinstance(few, SparseMatrix)
    assert isinstance(many, SparseMatrix)
    assert (few.layout, many.layout) == ("columns", "mask")
    # Column indices up to 511 and counts up to 512 need 2 bytes each.
    assert few.nbytes == len(few.values) * (2 + 2) + 64 * 2
    assert many.nbytes == len(many.values) * 2 + 64 * 64


def test_equal_entries_are_dropped_from_the_end() -> None:
    weight = torch.full((4, 8), 0.5).half()
    weight[3, 7] = -2
    decoded = compress(weight, 4 + 2 * 10).to_dense()
    assert int((decoded != 0).sum()) == 10
    assert decoded[3, 7] == -2
    assert torch.equal(decoded.flatten()[:9], torch.full((9,), 0.5))


def test_zeros_are_kept_where_there_is_room() -> None:
    weight = torch.zeros(4, 8).half()
    weight[1, 2] = 3
    assert torch.equal(compress(weight, 60).to_dense(), weight.float())


def test_whole_rows_are_those_with_the_largest_norms() -> None:
    weight = (random(30, 10) * torch.arange(1.0, 31)[:, None]).half()
    matrix = compress(weight, 4 + 20 * 12, structure="rows")
    assert isinstance(matrix, SparseRowsMatrix)
    kept = weight.float().norm(dim=1).argsort(descending=True)[:12]
    expected = torch.zeros(30, 10)
    expected[kept] = weight.float()[kept]
    assert torch.equal(matrix.to_dense(), expected)
    assert matrix.nbytes == 4 + 20 * 12


@pytest.mark.parametrize("layout", ["mask", "columns"])
def test_rows_in_any_order_and_twice(layout: str) -> None:
    weight = random(50, 13).half()
    matrix = SparseMatrix.from_kept(weight, weight > 0.4, layout)
    ids = torch.tensor([49, 3, 3, 0, 17])
    assert torch.equal(matrix.lookup(ids), (weight * (weight > 0.4)).float()[ids])
    assert matrix.lookup(ids[:0]).shape == (0, 13)


@pytest.mark.parametrize("layout", ["mask", "columns"])
def test_rows_without_any_entry_are_zero(layout: str) -> None:
    kept = torch.zeros(5, 9, dtype=torch.bool)
    kept[2, 4] = True
    matrix = SparseMatrix.from_kept(torch.ones(5, 9).half(), kept, layout)
    assert torch.equal(matrix.to_dense(), kept.float())
    parts = split_rows(matrix, [2, 2, 1])
    assert torch.equal(torch.cat([part.to_dense() for part in parts]), kept.float())


def test_no_forward_pass_leaves_the_matrix_behind() -> None:
    matrix = compress(random(64, 64).half(), 4000)
    before = set(matrix.state_dict())
    matrix.linear(random(2, 64))
    assert set(matrix.state_dict()) == before
    cached = [value for value in vars(matrix).values() if isinstance(value, torch.Tensor)]
    assert sum(tensor.numel() for tensor in cached) == 65


@pytest.mark.parametrize("largest", [0, 255, 256, 2**15 - 1, 2**15, 2**31 - 1, 2**31])
def test_the_preview_knows_the_size_of_an_index_without_torch(largest: int) -> None:
    assert _integer_bytes(largest) == smallest_integer(largest).itemsize
    assert torch.iinfo(smallest_integer(largest)).max >= largest


def test_too_few_bytes_for_one_entry_are_told_what_would_do() -> None:
    with pytest.raises(BudgetError, match=r"at least 67 bytes, a keep of 0\.0328"):
        compress(random(64, 16).half(), 66)
    with pytest.raises(BudgetError, match=r"any of the rows.*at least 40 bytes"):
        compress(random(64, 16).half(), 39, structure="rows")


def test_another_structure_is_told_the_two() -> None:
    with pytest.raises(CompressionError, match="Did you mean 'rows'"):
        build_method("magnitude_pruning", {"structure": "row"})
