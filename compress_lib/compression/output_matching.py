"""The weight that gives a layer's original outputs from the inputs of a compressed model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 2.0
"""How strongly the original weight is held on to, for each column that a token has to tell of.

Measured on tokens that were not used: without it, or with a small one, a layer with wide inputs
follows the noise of a few thousand tokens, and its outputs become worse than those of W. From 0.5
to 4 little changes.
"""


@dataclass(frozen=True)
class PairedInputs:
    """A layer's inputs at the same tokens: x in the original model, x̃ in a compressed one.

    Attributes:
        second_moment: C̃ `[cols, cols]`, mean of x̃ x̃ᵀ.
        shift: D `[cols, cols]`, mean of (x − x̃) x̃ᵀ.
        mean: `[cols]`, mean of x̃.
        original_mean: `[cols]`, mean of x.
        tokens: How many the means are over.
    """

    second_moment: Tensor
    shift: Tensor
    mean: Tensor
    original_mean: Tensor
    tokens: int


def match_outputs(weight: Tensor, inputs: PairedInputs, ridge: float = RIDGE) -> Tensor:
    """Return the weight whose outputs for x̃ are nearest those of the original weight for x.

    W′ = W + W D (C̃ + λ m I)⁻¹, m being the mean of C̃'s diagonal, is where
    E‖W x − W′ x̃‖² + λ m ‖W′ − W‖² is least. Written with D it is W itself, to the last bit, as
    long as x̃ is x. Whatever then approximates W′ where x̃ goes approximates the original outputs:
    its own error and that of W′, which nothing can undo, add up.

    Args:
        weight: W `[rows, cols]` in the checkpoint's type.
        inputs: What its layer gets in both models.
        ridge: λ × tokens ÷ cols: the fewer tokens, the more is noise.

    Returns:
        W′ `[rows, cols]` in the same type.

    Source: the normal equations of least squares with a ridge (Hoerl & Kennard 1970).
    """
    moment = inputs.second_moment.to(weight.device).double()
    scale = ridge * len(moment) / inputs.tokens * moment.diagonal().mean()
    if not float(scale) > 0:
        return weight
    wide = weight.double()
    held = moment + scale * torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
    change = wide @ inputs.shift.to(weight.device).double()
    solved = torch.cholesky_solve(change.T, torch.linalg.cholesky(held)).T
    return (wide + solved).to(weight.dtype)
