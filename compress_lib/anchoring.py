"""The weight that gives a layer's original outputs from the inputs of a compressed model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 0.01
"""How strongly the original weight is held on to, in means of C̃'s diagonal."""


@dataclass(frozen=True)
class InputPair:
    """A layer's inputs at the same tokens: x in the original model, x̃ in a compressed one.

    Attributes:
        second_moment: C̃ `[cols, cols]`, mean of x̃ x̃ᵀ.
        shift: D `[cols, cols]`, mean of (x − x̃) x̃ᵀ.
        mean: `[cols]`, mean of x̃.
        original_mean: `[cols]`, mean of x.
    """

    second_moment: Tensor
    shift: Tensor
    mean: Tensor
    original_mean: Tensor


def anchored(weight: Tensor, inputs: InputPair, ridge: float = RIDGE) -> Tensor:
    """Return the weight whose outputs for x̃ are nearest those of the original weight for x.

    W′ = W + W D (C̃ + λ m I)⁻¹, m being the mean of C̃'s diagonal, is where
    E‖W x − W′ x̃‖² + λ m ‖W′ − W‖² is least. Written with D it is W itself, to the last bit, as
    long as x̃ is x. Whatever then approximates W′ with C̃ approximates the original outputs:
    their error is that of W′, which nothing can undo, and that of the approximation.

    Source: least squares with a ridge; compressing with the inputs of the partly compressed model
    and the outputs of the original one as in Wang et al. 2025 (SVD-LLM v2) is not followed
    further.

    Args:
        weight: `[rows, cols]` in the checkpoint's type.
        inputs: What its layer gets in both models.
        ridge: λ.

    Returns:
        `[rows, cols]` in the same type.
    """
    moment = inputs.second_moment.to(weight.device).double()
    scale = ridge * moment.diagonal().mean()
    if not float(scale) > 0:
        return weight
    wide = weight.double()
    held = moment + scale * torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
    change = wide @ inputs.shift.to(weight.device).double()
    solved = torch.cholesky_solve(change.T, torch.linalg.cholesky(held)).T
    return (wide + solved).to(weight.dtype)
