"""The one loop that changes a model: compute every matrix first, swap last."""

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
"""The share of compressing that gathering statistics takes, where something is gathered."""

REFINING = 0.8
"""Where measuring families begins, if that is asked for."""

SHARING = 0.3
"""The share of the whole that sharing bytes out takes, where that is to be done."""


def allocate_by_loss(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    calibration: Calibration | None = None,
    report: Report = ignore,
) -> BudgetAllocation:
    """Share out the bytes of rules that want it, by estimated loss; see `automatic`.

    Args:
        model: The baseline.
        assignments: From `allocate`; those that are decided stay as they are.
        calibration: Tokens that tell the curvature.
        report: Told about the text, and about every target.

    Raises:
        CompressionError: There is no text, or a rule keeps too little.
    """
    text = calibration or Calibration()
    open_ones = [assignment for assignment in assignments if assignment.needs_allocation]
    if not open_ones:
        return BudgetAllocation(list(assignments))
    for assignment in open_ones:
        check_text(assignment, text)
    needs = {t.name: a.required_statistics_for(t) & GATHERED for a in open_ones for t in a.targets}
    known = collect_statistics(model, needs, text, subrange(report, 0.0, GATHERING))
    bench = TargetCompressor(model, text, known)
    part = subrange(report, GATHERING, REFINING)
    with closing(map_ordered(bench.curve, bench.work_items(open_ones), part)) as found:
        curves = {one.name: curve for one, curve in zip(open_ones, found, strict=True)}
    factors: dict[str, float] = {}

    def curve_of(assignment: Assignment) -> list[OperatingPoint]:
        tried = assignment.rule.allocation == MEASURED
        factor = factors.get(assignment.family, 1.0) if tried else 1.0
        return scale_curve(curves[assignment.name], factor)

    shared = allocate_budget(assignments, curve_of)
    tried = [a for a in shared.assignments if a.rule.allocation == MEASURED]
    if tried:
        factors |= loss_correction_factors(bench, tried, subrange(report, REFINING, 1.0))
        shared = allocate_budget(assignments, curve_of)
    return shared


def compress_targets(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    report: Report = ignore,
) -> Generator[CompressedTarget, None, None]:
    """Compress a model's weights one by one; the model itself is never changed.

    Args:
        model: The baseline.
        assignments: What happens to which target, from `allocate`.
        calibration: Tokens for the methods that need statistics.
        report: Told about every target and a method's own progress.

    Yields:
        Each target as it is finished; those of a group follow each other, and those that are
        compressed for the inputs of the compressed model come last.

    Raises:
        CompressionError: A weight is not finite, a statistic is missing, or a method fails; the
            message names the target.
    """
    text = calibration or Calibration()
    for assignment in assignments:
        check_text(assignment, text)
        if assignment.needs_allocation:
            raise AssertionError(f"{assignment.name}: its bytes have to be allocated first")
    needs = _needs(assignments)
    begin = GATHERING if needs else 0.0
    known = collect_statistics(model, needs, text, subrange(report, 0.0, begin)) if needs else {}
    compressor = TargetCompressor(model, text, known)
    at_once = [assignment for assignment in assignments if not assignment.uses_compressed_inputs]
    in_turn = [assignment for assignment in assignments if assignment.uses_compressed_inputs]
    whole = sum(assignment.nbytes for assignment in assignments)
    share = sum(assignment.nbytes for assignment in at_once) / max(whole, 1)
    middle = begin + (1 - begin) * share
    matrices: dict[str, CompressedMatrix] = {}
    with closing(compressor.compress_all(at_once, subrange(report, begin, middle))) as steps:
        for done in steps:
            matrices[done.record.names[0]] = done.matrix
            yield done
    if in_turn:
        start = with_matrices(model, matrices, input_only(at_once))
        part = subrange(report, middle, 1.0)
        yield from compress_sequentially(compressor, in_turn, start, matrices, part)


def install_targets(
    model: LanguageModel, assignments: Sequence[Assignment], targets: Sequence[CompressedTarget]
) -> LanguageModel:
    """Return a clone of a model with compressed targets; it shares all other weights.

    Without targets it is the model itself.
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
    """Do `compress_targets`; return the finished targets and the compressed clone."""
    targets = list(compress_targets(model, assignments, calibration=calibration, report=report))
    return targets, install_targets(model, assignments, targets)


def compress_at_once(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    report: Report = ignore,
) -> tuple[list[CompressedTarget], LanguageModel]:
    """Do `allocate_by_loss` and `compress_model`; return the finished targets and the model."""
    shared = allocate_by_loss(model, assignments, calibration, subrange(report, 0.0, SHARING))
    part = subrange(report, SHARING, 1.0)
    return compress_model(model, shared.assignments, calibration=calibration, report=part)


def _needs(assignments: Sequence[Assignment]) -> dict[str, frozenset[str]]:
    """Return what has to be gathered from the original model, by target."""
    needs = {}
    for assignment in assignments:
        for target in assignment.targets:
            # The inputs that one waits for are seen when it is its turn.
            own = assignment.method if assignment.uses_compressed_inputs else assignment
            needs[target.name] = own.required_statistics_for(target) & GATHERED
    return {name: kinds for name, kinds in needs.items() if kinds}
