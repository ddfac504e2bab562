"""The layers around compressed matrices compute with what is stored, and only with that."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from compress_lib.matrices import DenseMatrix, LowRankMatrix
from compress_lib.models.layers import CompressedEmbedding, CompressedLinear

ROWS, COLS, RANK = 12, 8, 3


def factors(rows: int = ROWS, *, offset: bool = False) -> LowRankMatrix:
    """Factors of whole numbers, so that every order of sums gives the same bits."""
    made = torch.Generator().manual_seed(rows)

    def draw(*shape: int) -> Tensor:
        return torch.randint(-3, 4, shape, generator=made).float()

    extra = draw(COLS) if offset else None
    return LowRankMatrix.from_factors(draw(rows, RANK), draw(RANK, COLS), torch.float16, extra)


def whole(*shape: int) -> Tensor:
    return torch.randint(-5, 6, shape, generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("bias", [None, nn.Parameter(whole(ROWS))])
@pytest.mark.parametrize("shape", [(COLS,), (5, COLS), (2, 5, COLS)])
def test_a_linear_is_the_dense_linear(
    offset: bool, bias: nn.Parameter | None, shape: tuple[int, ...]
) -> None:
    matrix = factors(offset=offset)
    x = whole(*shape)
    found = CompressedLinear([matrix], bias)(x)
    assert torch.equal(found, nn.functional.linear(x, matrix.to_dense(), bias))


def test_parts_are_stacked_by_rows() -> None:
    parts = [factors(12), DenseMatrix.from_weight(whole(4, COLS)), factors(8)]
    layer = CompressedLinear(parts, nn.Parameter(whole(24)))
    weight = torch.cat([part.to_dense() for part in parts])
    x = whole(5, COLS)
    assert torch.equal(layer.weight, weight)
    assert torch.equal(layer(x), nn.functional.linear(x, weight, layer.bias))
    assert (layer.in_features, layer.out_features) == (COLS, 24)


def test_interleaved_parts_take_turns_head_by_head() -> None:
    query, key, value = (
        DenseMatrix.from_weight(torch.full((4, COLS), number)) for number in (1.0, 2.0, 3.0)
    )
    layer = CompressedLinear([query, key, value], None, interleave=2)
    # Two heads, each with two rows of its query, then of its key, then of its value.
    order = [1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3]
    assert layer.weight[:, 0].tolist() == order
    assert layer(torch.ones(COLS)).tolist() == [COLS * number for number in order]


def test_an_embedding_looks_up_rows() -> None:
    matrix = factors(offset=True)
    ids = torch.tensor([[0, 11, 3], [3, 3, 0]])
    assert torch.equal(CompressedEmbedding(matrix)(ids), matrix.to_dense()[ids])
    assert torch.equal(CompressedEmbedding(matrix, 2.0)(ids), 2 * matrix.to_dense()[ids])
    with pytest.raises(IndexError):
        CompressedEmbedding(matrix)(torch.tensor([ROWS]))


def test_a_scale_is_rounded_to_the_type_of_the_vectors() -> None:
    matrix = DenseMatrix.from_weight(torch.full((2, 2), 3.0)).to(torch.bfloat16)
    found = CompressedEmbedding(matrix, 5.656854249492381)(torch.tensor([0]))
    assert found.dtype == torch.bfloat16
    # bfloat16 has 5.65625; three times that is 16.96875, which it rounds to 17.
    assert found.tolist() == [[17.0, 17.0]]


def test_a_low_rank_layer_multiplies_with_its_factors() -> None:
    """The papers' layers rebuilt the whole matrix at every call."""
    layer, x = CompressedLinear([factors()]), whole(10, COLS)
    with FlopCounterMode(display=False) as counter:
        layer(x)
    assert counter.get_total_flops() == 2 * 10 * RANK * (ROWS + COLS)


def test_an_embedding_decodes_only_what_is_looked_up() -> None:
    table = CompressedEmbedding(factors(10_000))
    with FlopCounterMode(display=False) as counter:
        table(torch.tensor([[5, 6, 7]]))
    assert counter.get_total_flops() == 2 * 3 * RANK * COLS


def test_all_that_is_stored_is_in_the_state() -> None:
    """The papers' checkpoints lacked norms and the embedding's second factor."""
    table = CompressedEmbedding(factors(offset=True))
    assert set(table.state_dict()) == {"matrix.left", "matrix.right", "matrix.offset"}
    layer = CompressedLinear([factors(), factors()], nn.Parameter(whole(24)))
    parts = {f"parts.{i}.{name}" for i in (0, 1) for name in ("left", "right")}
    assert set(layer.state_dict()) == {"bias", *parts}


def test_a_state_fills_an_empty_copy() -> None:
    layer = CompressedLinear([factors(offset=True)], nn.Parameter(whole(ROWS)))
    empty = CompressedLinear(
        [LowRankMatrix.from_spec(factors(offset=True).spec())], nn.Parameter(torch.empty(ROWS))
    )
    empty.load_state_dict(layer.state_dict())
    x = whole(4, COLS)
    assert torch.equal(empty(x), layer(x))


def test_a_copy_is_independent() -> None:
    layer = CompressedLinear([factors()])
    copied, x = copy.deepcopy(layer), whole(4, COLS)
    expected = layer(x)
    for parameter in copied.parameters():
        parameter.data.zero_()
    assert torch.equal(layer(x), expected)
    assert not copied(x).any()


def test_factors_are_frozen() -> None:
    assert not any(p.requires_grad for p in CompressedLinear([factors(offset=True)]).parameters())


def test_a_rebuilt_weight_asks_not_to_be_filled_with_random_numbers() -> None:
    """While loading, transformers initialises GPT-2's `c_proj.weight` unless it has the mark."""
    from transformers import initialization

    matrix = DenseMatrix.from_weight(whole(4, COLS))
    before = matrix.to_dense().clone()
    for module in (CompressedLinear([matrix]), CompressedEmbedding(matrix)):
        initialization.normal_(module.weight, std=1.0)
    assert torch.equal(matrix.to_dense(), before)
