"""How far estimated losses are from measured ones: a factor for each family of weights.

An estimate leaves out that errors of one layer meet in the next, and takes inputs and gradients
for independent, which is less true of some families than of others. Each family is therefore
compressed alone, as a first sharing out has it, and its estimate held against the divergence that
is measured on calibration text.
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
"""Calibration tokens that are read for each family, spread over the text."""

COMPRESSED = 0.5
"""The share of a family's time that compressing it takes."""

LIMITS = (0.25, 4.0)
"""A factor beyond them says more of so short a text than of the family."""


def loss_correction_factors(
    bench: TargetCompressor, assignments: Sequence[Assignment], report: Report
) -> dict[str, float]:
    """Return measured ÷ estimated loss of each family.

    Args:
        bench: With the baseline and the calibration text.
        assignments: With estimated losses; those of a family are measured together.
        report: Told about every family; may raise `StoppedError`.
    """
    families: dict[str, list[Assignment]] = {}
    for assignment in assignments:
        if assignment.loss:
            families.setdefault(assignment.family, []).append(assignment)
    found: dict[str, float] = {}
    for index, (family, members) in enumerate(families.items()):
        begin, end = index / len(families), (index + 1) / len(families)
        part = subrange(report, begin, end)
        part(Event(0.0, f"{FAMILIES[family]}: measuring what it costs alone"))
        with closing(bench.compress_all(members, subrange(part, 0.0, COMPRESSED))) as steps:
            matrices = {done.record.names[0]: done.matrix for done in steps}
        measured = _divergence(bench, members, matrices, subrange(part, COMPRESSED, 1.0))
        estimated = sum(member.loss or 0.0 for member in members)
        found[family] = min(max(measured / estimated, LIMITS[0]), LIMITS[1])
    return found


def scale_curve(curve: Curve[OperatingPoint], factor: float) -> list[OperatingPoint]:
    """Return a curve whose losses are multiplied by a factor."""
    return [OperatingPoint(point.nbytes, factor * point.loss, point.method) for point in curve]


def _divergence(
    bench: TargetCompressor,
    members: Sequence[Assignment],
    matrices: Mapping[str, CompressedMatrix],
    report: Report,
) -> float:
    """Return the mean KL divergence of the baseline from the model with these matrices."""
    trial = with_matrices(bench.model, dict(matrices), input_only(members))
    examples = bench.text.examples
    total = sum(len(example.ids) for example in examples)
    some = examples[:: max(1, total // MEASURED_TOKENS)]
    *_, last = compare(
        bench.model, trial, some, lambda share: report(Event(share, "Measuring a family"))
    )
    return last.kl
