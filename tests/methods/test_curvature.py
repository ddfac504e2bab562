"""The estimated loss of an error in a weight, and the factors that minimise it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from compress_lib.errors import CompressionError
from compress_lib.methods.curvature import Curvature, KroneckerTerm, curvature
from compress_lib.methods.linalg import two_sided_bases
from compress_lib.methods.statistics import Statistics


def random(*shape: int, seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=made, dtype=torch.float64)


def moment(size: int, seed: int = 0) -> Tensor:
    x = random(3 * size, size, seed=seed)
    return x.T @ x / len(x)


def test_the_loss_is_half_the_mean_square_of_what_the_loss_sees() -> None:
    """With independent x and g, E[(gᵀ Δ x)²] = tr(G Δ C Δᵀ): here over all pairs of both."""
    x, g, error = random(50, 4, seed=1), random(60, 3, seed=2), random(3, 4, seed=3)
    seen = g @ error @ x.T
    minds = Curvature((KroneckerTerm(g.T @ g / len(g), x.T @ x / len(x)),))
    assert minds.loss(error) == pytest.approx(0.5 * float(seen.square().mean()))


def test_a_diagonal_is_a_matrix_without_the_rest() -> None:
    rows, cols, error = random(3, seed=1).abs(), moment(4), random(3, 4, seed=2)
    diagonal = Curvature((KroneckerTerm(rows, cols),)).loss(error)
    assert diagonal == pytest.approx(
        Curvature((KroneckerTerm(torch.diag(rows), cols),)).loss(error)
    )


def test_losses_of_both_ends_of_a_table_add_up() -> None:
    terms = [KroneckerTerm(random(5, seed=i).abs(), moment(4, seed=i)) for i in (1, 2)]
    error = random(5, 4, seed=3)
    alone = sum(Curvature((term,)).loss(error) for term in terms)
    assert Curvature(tuple(terms)).loss(error) == pytest.approx(alone)


def test_one_product_for_two_is_exact_where_their_rows_agree() -> None:
    rows = random(5, seed=1).abs()
    both = Curvature(
        (KroneckerTerm(rows, moment(4, seed=1)), KroneckerTerm(3 * rows, moment(4, seed=2)))
    )
    error = random(5, 4, seed=3)
    assert Curvature((both.as_single_term(),)).loss(error) == pytest.approx(both.loss(error))


def test_statistics_that_are_missing_are_named() -> None:
    with pytest.raises(CompressionError, match="output_gradient"):
        curvature(Statistics())


@pytest.mark.parametrize("shape", [(9, 5), (5, 9), (6, 6)])
@pytest.mark.parametrize("diagonal", [True, False])
def test_bases_of_every_rank_are_the_best_and_say_what_they_leave_out(
    shape: tuple[int, int], diagonal: bool
) -> None:
    weight = random(*shape, seed=4)
    rows = random(shape[0], seed=5).abs() if diagonal else moment(shape[0], seed=5)
    cols = moment(shape[1], seed=6)
    found = two_sided_bases(weight, rows, cols, 0.0, 1e-12)
    left, right, energy = (found[n].double() for n in ("left", "right", "energy"))
    assert torch.allclose(left @ right, weight, atol=1e-4)
    minds = Curvature((KroneckerTerm(rows, cols),))
    root = torch.diag(rows.sqrt()) if diagonal else torch.linalg.cholesky(rows).T
    spectrum = torch.linalg.svdvals(root @ weight @ torch.linalg.cholesky(cols))
    for rank in range(1, min(shape)):
        loss = minds.loss(left[:, :rank] @ right[:rank] - weight)
        assert loss == pytest.approx(float(0.5 * energy[rank:].sum()), rel=1e-3)
        assert loss == pytest.approx(float(0.5 * spectrum[rank:].square().sum()), rel=1e-3)


def test_a_moment_that_is_singular_or_zero_does_no_harm() -> None:
    weight = random(6, 5, seed=1)
    thin = random(5, 1, seed=2) @ random(1, 5, seed=2)
    for rows, cols in (
        (torch.zeros(6, 6), torch.zeros(5, 5)),
        (moment(6), thin @ thin.T),
        (torch.zeros(6), moment(5)),
    ):
        found = two_sided_bases(weight, rows, cols, 0.3, 0.1)
        assert torch.allclose(found["left"] @ found["right"], weight.float(), atol=1e-3)


def test_without_anything_known_it_is_the_svd() -> None:
    weight = random(6, 5, seed=1)
    found = two_sided_bases(weight, torch.eye(6), torch.eye(5), 0.3, 0.1)
    spectrum = torch.linalg.svdvals(weight).square().float()
    assert torch.allclose(found["energy"], spectrum, rtol=1e-4)
