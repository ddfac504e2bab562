"""The one loop that changes a model: compute every matrix first, swap last."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from compress_lib.compression.calibration.collect import gather
from compress_lib.compression.loss_correction import family_factors, scaled
from compress_lib.compression.sequential import compress_in_turn
from compress_lib.compression.stacking import input_only, with_matrices
from compress_lib.compression.target_compressor import Compressed, TargetCompressor, check_text
from compress_lib.data.calibration_text import Calibration
from compress_lib.matrices import CompressedMatrix
from compress_lib.methods.rate_distortion import Point
from compress_lib.methods.statistics import GATHERED
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import Assignment
from compress_lib.plan.budget_allocation import Allocation, share_assignments
from compress_lib.plan.rule import MEASURED
from compress_lib.utils.generators import Returning
from compress_lib.utils.parallel import in_order
from compress_lib.utils.progress import Progress, no_progress, span

__all__ = [
    "SHARING",
    "Compressed",
    "compress_at_once",
    "compress_model",
    "share_bytes",
    "with_matrices",
]

GATHERING = 0.5
"""The share of compressing that gathering statistics takes, where something is gathered."""

REFINING = 0.8
"""Where measuring families begins, if that is asked for."""

SHARING = 0.3
"""The share of the whole that sharing bytes out takes, where that is to be done."""


def share_bytes(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    calibration: Calibration | None = None,
    progress: Progress = no_progress,
) -> Allocation:
    """Share out the bytes of rules that want it, by estimated loss; see `automatic`.

    Args:
        model: The baseline.
        assignments: From `allocate`; those that are decided stay as they are.
        calibration: Tokens that tell the curvature.
        progress: Told about the text, and about every target.

    Raises:
        CompressionError: There is no text, or a rule keeps too little.
    """
    text = calibration or Calibration()
    open_ones = [assignment for assignment in assignments if assignment.undecided]
    if not open_ones:
        return Allocation(list(assignments))
    for assignment in open_ones:
        check_text(assignment, text)
    needs = {t.name: a.needs_for(t) & GATHERED for a in open_ones for t in a.targets}
    known = gather(model, needs, text, span(progress, 0.0, GATHERING))
    bench = TargetCompressor(model, text, known)
    part = span(progress, GATHERING, REFINING)
    with closing(in_order(bench.curve, bench.pieces(open_ones), part)) as found:
        curves = {one.name: curve for one, curve in zip(open_ones, found, strict=True)}
    factors: dict[str, float] = {}

    def curve_of(assignment: Assignment) -> list[Point]:
        tried = assignment.rule.allocation == MEASURED
        factor = factors.get(assignment.family, 1.0) if tried else 1.0
        return scaled(curves[assignment.name], factor)

    shared = share_assignments(assignments, curve_of)
    tried = [a for a in shared.assignments if a.rule.allocation == MEASURED]
    if tried:
        factors |= family_factors(bench, tried, span(progress, REFINING, 1.0))
        shared = share_assignments(assignments, curve_of)
    return shared


def compress_model(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    progress: Progress = no_progress,
) -> Generator[Compressed, None, LanguageModel]:
    """Compress a model's weights one by one; the model itself is never changed.

    Args:
        model: The baseline.
        assignments: What happens to which target, from `allocate`.
        calibration: Tokens for the methods that need statistics.
        progress: Told about every target and a method's own progress.

    Yields:
        Each target as it is finished; those of a group follow each other, and those that wait
        for their turn in the model's order come last.

    Returns:
        A clone of the model that shares all weights that were not compressed.

    Raises:
        CompressionError: A weight is not finite, a statistic is missing, or a method fails; the
            message names the target.
    """
    text = calibration or Calibration()
    for assignment in assignments:
        check_text(assignment, text)
        if assignment.undecided:
            raise AssertionError(f"{assignment.name}: its bytes are to be shared out first")
    needs = _needs(assignments)
    begin = GATHERING if needs else 0.0
    known = gather(model, needs, text, span(progress, 0.0, begin)) if needs else {}
    bench = TargetCompressor(model, text, known)
    at_once = [assignment for assignment in assignments if not assignment.sequential]
    in_turn = [assignment for assignment in assignments if assignment.sequential]
    whole = sum(assignment.nbytes for assignment in assignments)
    share = sum(assignment.nbytes for assignment in at_once) / max(whole, 1)
    middle = begin + (1 - begin) * share
    matrices: dict[str, CompressedMatrix] = {}
    with closing(bench.compress_all(at_once, span(progress, begin, middle))) as steps:
        for done in steps:
            matrices[done.record.names[0]] = done.matrix
            yield done
    if in_turn:
        start = with_matrices(model, matrices, input_only(at_once))
        part = span(progress, middle, 1.0)
        for done in compress_in_turn(bench, in_turn, start, matrices, part):
            matrices[done.record.names[0]] = done.matrix
            yield done
    return with_matrices(model, matrices, input_only(assignments))


def compress_at_once(
    model: LanguageModel,
    assignments: Sequence[Assignment],
    *,
    calibration: Calibration | None = None,
    progress: Progress = no_progress,
) -> tuple[list[Compressed], LanguageModel]:
    """Do `share_bytes` and `compress_model`; return the finished targets and the model."""
    shared = share_bytes(model, assignments, calibration, span(progress, 0.0, SHARING))
    part = span(progress, SHARING, 1.0)
    steps = Returning(
        compress_model(model, shared.assignments, calibration=calibration, progress=part)
    )
    return list(steps), steps.value


def _needs(assignments: Sequence[Assignment]) -> dict[str, frozenset[str]]:
    """Return what has to be gathered from the original model, by target."""
    needs = {}
    for assignment in assignments:
        for target in assignment.targets:
            # The inputs that one waits for are seen when it is its turn.
            own = assignment.method if assignment.sequential else assignment
            needs[target.name] = own.needs_for(target) & GATHERED
    return {name: kinds for name, kinds in needs.items() if kinds}
