"""Correction factors of the estimated loss: measured ÷ estimated, per module type.

The K-FAC estimate ignores interactions between the errors of different layers, and assumes that
inputs and gradients are independent, which holds better for some module types than for others.
Therefore each module type is compressed alone with the budgets of a first allocation, and its
estimate is compared with the KL divergence measured on calibration text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

from compress_lib.compression.stacking import input_only, with_matrices
from compress_lib.compression.target_compressor import TargetCompressor
from compress_lib.evaluation.likelihood import compare
from compress_lib.matrices import CompressedMatrix
from compress_lib.methods.rate_distortion import Curve, OperatingPoint
from compress_lib.models.targets import FAMILIES
from compress_lib.plan.allocation import Assignment
from compress_lib.utils.progress import Event, Report, subrange

MEASURED_TOKENS = 2048
"""Approximate number of calibration tokens per module type, spread over the text."""

COMPRESSED = 0.5
"""Share of a module type's progress for compressing it."""

LIMITS = (0.25, 4.0)
"""Range of the factors; values outside are noise of the short text."""


def loss_correction_factors(
    compressor: TargetCompressor, assignments: Sequence[Assignment], report: Report
) -> dict[str, float]:
    """Return measured ÷ estimated loss of each module type.

    Args:
        compressor: The compressor with the baseline and the calibration text.
        assignments: Assignments with estimated losses; those of a family are measured together.
        report: Receives progress events for every family; may raise `StoppedError`.
    """
    families: dict[str, list[Assignment]] = {}
    for assignment in assignments:
        if assignment.loss:
            families.setdefault(assignment.family, []).append(assignment)
    factors: dict[str, float] = {}
    for index, (family, members) in enumerate(families.items()):
        begin, end = index / len(families), (index + 1) / len(families)
        part = subrange(report, begin, end)
        part(Event(0.0, f"{FAMILIES[family]}: measuring the loss increase"))
        with closing(compressor.compress_all(members, subrange(part, 0.0, COMPRESSED))) as steps:
            matrices = {done.record.names[0]: done.matrix for done in steps}
        measured = _divergence(compressor, members, matrices, subrange(part, COMPRESSED, 1.0))
        estimated = sum(member.loss or 0.0 for member in members)
        factors[family] = min(max(measured / estimated, LIMITS[0]), LIMITS[1])
    return factors


def scale_curve(curve: Curve[OperatingPoint], factor: float) -> list[OperatingPoint]:
    """Return a rate-distortion curve with its losses multiplied by a factor."""
    return [OperatingPoint(point.nbytes, factor * point.loss, point.method) for point in curve]


def _divergence(
    compressor: TargetCompressor,
    members: Sequence[Assignment],
    matrices: Mapping[str, CompressedMatrix],
    report: Report,
) -> float:
    """Return the mean KL divergence from the baseline of the model with these matrices."""
    trial = with_matrices(compressor.model, dict(matrices), input_only(members))
    examples = compressor.text.examples
    total = sum(len(example.ids) for example in examples)
    subset = examples[:: max(1, total // MEASURED_TOKENS)]

    def tick(share: float) -> None:
        report(Event(share, "Measuring the loss increase of a module type"))

    *_, last = compare(compressor.model, trial, subset, tick)
    return last.kl
