"""Pivot row selection: rows of a tall matrix that span the others with small coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

BOUND = 1.5
"""Pivots are exchanged while a coefficient exceeds this: partial pivoting alone leaves some of
about 3, and coefficients amplify rounding errors."""

MOST_EXCHANGES = 500


def find_pivots(tall: Tensor, bound: float = BOUND) -> tuple[Tensor, Tensor]:
    """Choose as many rows of a matrix as it has columns, and express the others in them.

    Starting from the pivots of Gaussian elimination with partial pivoting, the pair with the
    largest coefficient is exchanged, which multiplies the volume of the pivot rows by that
    coefficient.

    Args:
        tall: `[rows, rank]` with rank at most rows; columns may be linearly dependent. Coefficients
            are exact to about 10⁻¹³ in float64 and 10⁻⁵ in float32.
        bound: Exchanges stop at this largest absolute coefficient.

    Returns:
        A permutation `[rows]`, the pivots' indices in ascending order followed by the others' in
        ascending order; and coefficients `[rows − rank, rank]` with
        `tall[others] = coefficients tall[pivots]`.

    Source: Goreinov et al. 2010, "How to find a good submatrix", doi:10.1142/9789812836021_0015.
    """
    rows, rank = tall.shape
    factors, steps, _ = torch.linalg.lu_factor_ex(tall)
    order = list(range(rows))
    for index, step in enumerate(steps.tolist()):
        order[index], order[step - 1] = order[step - 1], order[index]
    # others = L₂ L₁⁻¹ pivots, with L₁ the unit triangle on top of L. U is singular for linearly
    # dependent columns and is not inverted.
    top, below = factors[:rank], factors[rank:]
    coefficients = torch.linalg.solve_triangular(
        top, below, upper=False, left=False, unitriangular=True
    ).contiguous()
    for _ in range(min(MOST_EXCHANGES, coefficients.numel())):
        largest, place = coefficients.abs().flatten().max(0)
        if float(largest) <= bound:
            break
        row, pivot = divmod(int(place), rank)
        order[pivot], order[rank + row] = order[rank + row], order[pivot]
        _exchange(coefficients, row, pivot)
    places = torch.tensor(order, device=tall.device)
    pivots, by_pivot = places[:rank].sort()
    others, by_other = places[rank:].sort()
    return torch.cat([pivots, others]), coefficients[by_other][:, by_pivot]


def _exchange(coefficients: Tensor, row: int, pivot: int) -> None:
    """Exchange a pivot with another row, in place."""
    across, along = coefficients[row].clone(), coefficients[:, pivot].clone()
    factor = along[row].clone()
    across[pivot] -= 1
    along[row] += 1
    coefficients.addr_(along / factor, across, alpha=-1)
