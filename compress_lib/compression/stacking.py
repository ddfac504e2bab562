"""Stacking: read a model's weights as one matrix, and put compressed matrices back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.views import TransposedMatrix, split_rows, transposed
from compress_lib.models.architecture import WeightLocation
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import clone, install, read_weight
from compress_lib.plan.allocation import Assignment


def sites_of(model: LanguageModel, assignment: Assignment) -> list[WeightLocation]:
    """Return the locations of an assignment's targets, in their order."""
    sites = {site.target.name: site for site in model.sites}
    return [sites[target.name] for target in assignment.targets]


def read_weights(model: LanguageModel, assignment: Assignment) -> list[Tensor]:
    """Return a copy of each target's weight `[rows, cols]` in the checkpoint's dtype."""
    sites = sites_of(model, assignment)
    return [read_weight(model.module, site, model.dtype) for site in sites]


def stack(weights: Sequence[Tensor], *, columns: bool) -> Tensor:
    """Return weights stacked by rows as one matrix, transposed first if `columns`.

    Args:
        weights: The weights `[rows, cols]`.
        columns: Whether columns are the data.
    """
    if len(weights) == 1 and not columns:
        return weights[0]
    return torch.cat([weight.T if columns else weight for weight in weights]).contiguous()


def unstack(assignment: Assignment, whole: CompressedMatrix) -> list[CompressedMatrix]:
    """Return each target's matrix of a compressed stack; only the first has the history.

    Args:
        assignment: The assignment.
        whole: Its compressed stack.
    """
    if len(assignment.targets) == 1:
        return [transposed(whole) if assignment.columns else whole]
    axis = 1 if assignment.columns else 0
    parts = split_rows(whole, [target.shape[axis] for target in assignment.targets])
    if assignment.columns:
        # A wrapper rather than `transposed`, so that shared tensors stay shared.
        parts = [TransposedMatrix(part) for part in parts]
    parts[0].history = whole.history
    return parts


def with_matrices(
    model: LanguageModel,
    matrices: Mapping[str, CompressedMatrix],
    input_only: Collection[str] = (),
) -> LanguageModel:
    """Return a clone of a model with compressed weights; see `install`.

    Args:
        model: The original.
        matrices: Compressed matrices by target.
        input_only: Tied targets whose LM head keeps the original.
    """
    module = clone(model.module)
    install(module, model.sites, matrices, model.dtype, input_only)
    return replace(model, module=module)


def input_only(assignments: Sequence[Assignment]) -> set[str]:
    """Return the tied embeddings whose LM head keeps the original."""
    return {
        target.name
        for assignment in assignments
        for target in assignment.targets
        if assignment.keeps_original and target.tied
    }
