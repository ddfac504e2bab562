"""Weights of a model as the matrices that methods see, and back into a model."""

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
    """Return where an assignment's targets live, in their order."""
    sites = {site.target.name: site for site in model.sites}
    return [sites[target.name] for target in assignment.targets]


def read_weights(model: LanguageModel, assignment: Assignment) -> list[Tensor]:
    """Return a copy of each target's weight `[rows, cols]` in the checkpoint's type."""
    sites = sites_of(model, assignment)
    return [read_weight(model.module, site, model.dtype) for site in sites]


def stack(weights: Sequence[Tensor], *, columns: bool) -> Tensor:
    """Return weights as one matrix: by rows, or transposed first where columns are the data."""
    if len(weights) == 1 and not columns:
        return weights[0]
    return torch.cat([weight.T if columns else weight for weight in weights]).contiguous()


def unstack(assignment: Assignment, whole: CompressedMatrix) -> list[CompressedMatrix]:
    """Return each target's matrix; what the method trained with is told by the first."""
    if len(assignment.targets) == 1:
        return [transposed(whole) if assignment.columns else whole]
    along = 1 if assignment.columns else 0
    parts = split_rows(whole, [target.shape[along] for target in assignment.targets])
    if assignment.columns:
        # The wrapper, and not factors of each one's own: what is shared must stay so.
        parts = [TransposedMatrix(part) for part in parts]
    parts[0].history = whole.history
    return parts


def with_matrices(
    model: LanguageModel,
    matrices: Mapping[str, CompressedMatrix],
    input_only: Collection[str] = (),
) -> LanguageModel:
    """Return a clone of a model in which some weights are compressed; see `install`."""
    module = clone(model.module)
    install(module, model.sites, matrices, model.dtype, input_only)
    return replace(model, module=module)


def input_only(assignments: Sequence[Assignment]) -> set[str]:
    """Return the tied tables of which only the input end is replaced."""
    return {
        target.name
        for assignment in assignments
        for target in assignment.targets
        if assignment.keeps_original and target.tied
    }
