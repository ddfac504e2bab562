"""Output matching: the least-squares weight that reproduces a layer's original outputs.

The inputs are those of the partly compressed model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 2.0
"""Ridge penalty λ towards the original weight, times tokens ÷ cols.

Chosen on held-out tokens: with no or a small penalty, a layer with wide inputs fits the noise of
a few thousand tokens, and its outputs become worse than those of W. Between 0.5 and 4, the result
hardly changes.
"""


@dataclass(frozen=True)
class PairedInputs:
    """Moments of a layer's inputs: x in the original model, x̃ in the compressed one.

    Attributes:
        second_moment: C̃ `[cols, cols]`, mean of x̃ x̃ᵀ.
        shift: D `[cols, cols]`, mean of (x − x̃) x̃ᵀ.
        mean: `[cols]`, mean of x̃.
        original_mean: `[cols]`, mean of x.
        tokens: The number of tokens of the means.
    """

    second_moment: Tensor
    shift: Tensor
    mean: Tensor
    original_mean: Tensor
    tokens: int


def match_outputs(weight: Tensor, inputs: PairedInputs, ridge: float = RIDGE) -> Tensor:
    """Return the weight whose outputs for x̃ are closest to those of the original weight for x.

    W′ = W + W D (C̃ + λ m I)⁻¹, with m the mean of C̃'s diagonal, minimises
    E‖W x − W′ x̃‖² + λ m ‖W′ − W‖². Because it is written with D, it is exactly W if x̃ = x. An
    approximation of W′ in the directions of x̃ approximates the original outputs; its error adds
    to the irreducible error of W′.

    Args:
        weight: W `[rows, cols]` in the checkpoint's dtype.
        inputs: The inputs of its layer in both models.
        ridge: λ × tokens ÷ cols; with fewer tokens, more of D is noise.

    Returns:
        W′ `[rows, cols]` in the same dtype.

    Source: the normal equations of ridge regression (Hoerl & Kennard 1970).
    """
    moment = inputs.second_moment.to(weight.device).double()
    scale = ridge * len(moment) / inputs.tokens * moment.diagonal().mean()
    if not float(scale) > 0:
        return weight
    w = weight.double()
    damped = moment + scale * torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
    right_side = w @ inputs.shift.to(weight.device).double()
    change = torch.cholesky_solve(right_side.T, torch.linalg.cholesky(damped)).T
    return (w + change).to(weight.dtype)
