"""Compression loop: compute every compressed matrix first, then install them in a clone."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.compression.loss_correction import loss_correction_factors, scale_curve
from compress_lib.compression.sequential import compress_sequentially
from compress_lib.compression.stacking import input_only, with_matrices
from compress_lib.compression.target_compressor import (
    CompressedTarget,
    TargetCompressor,
    check_text,
)
from compress_lib.data.calibration_text import Calibration
from compress_lib.matrices import CompressedMatrix
from compress_lib.methods.rate_distortion import OperatingPoint
from compress_lib.methods.statistics import GATHERED
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import Assignment
from compress_lib.plan.budget_allocation import BudgetAllocation, allocate_budget
from compress_lib.plan.rule import MEASURED
from compress_lib.utils.parallel import map_ordered
from compress_lib.utils.progress import Report, ignore, subrange

GATHERING = 0.5
"""Share of progress for collecting statistics, if any are needed."""

REFINING = 0.8
"""Progress at which measuring module types starts, with the allocation `measured`."""

SHARING = 0.3
"""Share of progress for byte allocation, if bytes are allocated by loss."""


def allocate_by_loss(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    calibration: Calibration | None = None,
    report: Report = ignore,
) -> BudgetAllocation:
    """Allocate the bytes of all rules that allocate by estimated loss.

    Args:
        model: The baseline.
        assignments: From `allocate`; uniform ones keep their budgets.
        calibration: Calibration text for the curvature of the loss.
        report: Receives progress events for the text and for every target.

    Raises:
        CompressionError: Calibration text is missing, or a rule's budget is too small.
    """
    text = calibration or Calibration()
    pending = [assignment for assignment in assignments if assignment.needs_allocation]
    if not pending:
        return BudgetAllocation(list(assignments))
    for assignment in pending:
        check_text(assignment, text)
    needs = {t.name: a.required_statistics_for(t) & GATHERED for a in pending for t in a.targets}
    statistics = collect_statistics(model, needs, text, subrange(report, 0.0, GATHERING))
    compressor = TargetCompressor(model, text, statistics)
    part = subrange(report, GATHERING, REFINING)
    with closing(map_ordered(compressor.curve, compressor.work_items(pending), part)) as results:
        curves = {one.name: curve for one, curve in zip(pending, results, strict=True)}
    factors: dict[str, float] = {}

    def curve_of(assignment: Assignment) -> list[OperatingPoint]:
        is_measured = assignment.rule.allocation == MEASURED
        factor = factors.get(assignment.family, 1.0) if is_measured else 1.0
        return scale_curve(curves[assignment.name], factor)

    allocation = allocate_budget(assignments, curve_of)
    measured = [a for a in allocation.assignments if a.rule.allocation == MEASURED]
    if measured:
        factors |= loss_correction_factors(compressor, measured, subrange(report, REFINING, 1.0))
        allocation = allocate_budget(assignments, curve_of)
    return allocation


def compress_targets(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    report: Report = ignore,
) -> Generator[CompressedTarget, None, None]:
    """Compress a model's weights one by one, without changing the model.

    Args:
        model: The baseline.
        assignments: From `allocate`, with their budgets.
        calibration: Calibration text for methods that need statistics.
        report: Receives progress events for every target and from the methods.

    Yields:
        Each finished target; those of a group are consecutive, and sequentially compressed ones
        come last.

    Raises:
        CompressionError: A weight is not finite, a statistic is missing, or a method fails; the
            message names the target.
    """
    text = calibration or Calibration()
    for assignment in assignments:
        check_text(assignment, text)
        if assignment.needs_allocation:
            raise AssertionError(f"{assignment.name}: its bytes must be allocated first")
    needs = _needs(assignments)
    begin = GATHERING if needs else 0.0
    statistics = (
        collect_statistics(model, needs, text, subrange(report, 0.0, begin)) if needs else {}
    )
    compressor = TargetCompressor(model, text, statistics)
    independent = [item for item in assignments if not item.uses_compressed_inputs]
    sequential = [item for item in assignments if item.uses_compressed_inputs]
    total = sum(assignment.nbytes for assignment in assignments)
    share = sum(assignment.nbytes for assignment in independent) / max(total, 1)
    middle = begin + (1 - begin) * share
    matrices: dict[str, CompressedMatrix] = {}
    with closing(compressor.compress_all(independent, subrange(report, begin, middle))) as steps:
        for done in steps:
            matrices[done.record.names[0]] = done.matrix
            yield done
    if sequential:
        start = with_matrices(model, matrices, input_only(independent))
        part = subrange(report, middle, 1.0)
        yield from compress_sequentially(compressor, sequential, start, matrices, part)


def install_targets(
    model: LanguageModel, assignments: Sequence[Assignment], targets: Sequence[CompressedTarget]
) -> LanguageModel:
    """Return a clone of a model with compressed targets; all other weights are shared.

    Args:
        model: The baseline.
        assignments: The assignments of the targets.
        targets: The compressed targets.

    Returns:
        The clone, or the model itself without targets.
    """
    if not targets:
        return model
    matrices = {done.record.names[0]: done.matrix for done in targets}
    return with_matrices(model, matrices, input_only(assignments))


def compress_model(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    report: Report = ignore,
) -> tuple[list[CompressedTarget], LanguageModel]:
    """Run `compress_targets` and install the result; arguments as there.

    Returns:
        The finished targets and the compressed clone.
    """
    targets = list(compress_targets(model, assignments, calibration=calibration, report=report))
    return targets, install_targets(model, assignments, targets)


def compress_at_once(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    report: Report = ignore,
) -> tuple[list[CompressedTarget], LanguageModel]:
    """Run `allocate_by_loss` and `compress_model`; arguments as in `compress_targets`.

    Returns:
        The finished targets and the compressed clone.
    """
    allocation = allocate_by_loss(model, assignments, calibration, subrange(report, 0.0, SHARING))
    part = subrange(report, SHARING, 1.0)
    return compress_model(model, allocation.assignments, calibration=calibration, report=part)


def _needs(assignments: Sequence[Assignment]) -> dict[str, frozenset[str]]:
    """Return the statistics to collect from the original model, by target."""
    needs = {}
    for assignment in assignments:
        for target in assignment.targets:
            # The inputs of sequentially compressed layers are collected later, block by block.
            source = assignment.method if assignment.uses_compressed_inputs else assignment
            needs[target.name] = source.required_statistics_for(target) & GATHERED
    return {name: kinds for name, kinds in needs.items() if kinds}
