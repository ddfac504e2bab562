"""Target record: bytes and errors of a compressed weight."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from compress_lib.evaluation.direction import summarize
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.reconstruction_error import RowErrors
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import Assignment
from compress_lib.results.target_record import TargetRecord


def bytes_per_part(parts: Sequence[CompressedMatrix]) -> list[int]:
    """Return the bytes of each matrix; a shared tensor is split equally among its owners.

    Returns:
        Integers whose sum counts every tensor once.
    """
    holders: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}
    for index, part in enumerate(parts):
        for tensor in part.state_dict(keep_vars=True).values():
            holders.setdefault(id(tensor), []).append(index)
            sizes[id(tensor)] = part.stored_bytes(tensor)
    totals = [0] * len(parts)
    for key, owners in holders.items():
        each, rest = divmod(sizes[key], len(owners))
        for place, index in enumerate(owners):
            totals[index] += each + (place < rest)
    return totals


def target_record(
    assignment: Assignment,
    target: Target,
    matrix: CompressedMatrix,
    errors: RowErrors,
    *,
    counts: Tensor | None,
    nbytes: int,
    seconds: float,
) -> TargetRecord:
    """Return the record of one compressed weight.

    Args:
        assignment: The assignment.
        target: The weight, one of the assignment's targets.
        matrix: Its compressed form.
        errors: Its errors by row.
        counts: `[rows]`, occurrences of each token of an embedding, if known.
        nbytes: Its own bytes plus its part of the shared tensors of its group.
        seconds: Its part of the compression time.
    """
    return TargetRecord(
        names=target.names,
        family=target.family,
        layer=target.layer,
        rows=target.shape[0],
        cols=target.shape[1],
        method=assignment.method.name,
        rank=matrix.rank,
        bytes_before=target.nbytes,
        bytes_after=nbytes,
        relative_error=errors.relative,
        squared_norm=errors.squared_norm,
        direction_error=summarize(errors.direction, counts),
        seconds=seconds,
        head_dim=target.head_dim,
        rmse=errors.rmse,
        mae=errors.mae,
        powered_mae=errors.powered_mae,
        group=assignment.name if len(assignment.targets) > 1 else None,
        orientation="columns" if assignment.columns else "rows",
        # An embedding without LM head decodes only the rows that are looked up.
        decode_cost=matrix.decode_cost if _multiplies(assignment, target) else 0,
        history={name: tuple(values) for name, values in matrix.history.items()},
    )


def _multiplies(assignment: Assignment, target: Target) -> bool:
    """Return whether the compressed weight is multiplied with inputs, not only looked up."""
    return target.family != "embedding" or (target.tied and not assignment.keeps_original)
