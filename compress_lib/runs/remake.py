"""Recompute the compressed model of a finished run, and verify it against the run's record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compress_lib.compression.compress import SHARING, install_targets
from compress_lib.compression.target_compressor import CompressedTarget
from compress_lib.data.tokenization import check_protocols, prepare_texts
from compress_lib.errors import CompressionError
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import allocate
from compress_lib.results.records import RunRecord
from compress_lib.runs.execute import add_provenance, allocate_budget, compress, read_texts
from compress_lib.utils.progress import Report, subrange

TOLERANCE = 0.01
"""Allowed relative difference of bytes and errors, because the last digits vary by machine."""


def remake(record: RunRecord, model: LanguageModel, report: Report) -> LanguageModel:
    """Recompute the compressed model of a run, without evaluation and text generation.

    Args:
        record: The run.
        model: The original, of the same revision as in the run.
        report: Called with every event; may raise `StoppedError`.

    Raises:
        CompressionError: Weights, texts, program or results differ from those of the run.
    """
    plan = record.plan
    check_protocols(model, plan.evaluation, plan.calibration)
    assignments = allocate(plan, model.targets)
    evaluation, calibration = read_texts(plan, assignments)
    plan = add_provenance(plan, model, evaluation, calibration)
    if plan.key != record.key:
        raise CompressionError(
            "The compressed model of this run cannot be recomputed: the weights, the texts or the "
            "program have changed since. Run its plan again."
        )
    _, text = prepare_texts(
        model, plan.evaluation, evaluation, plan.calibration, calibration, plan.seed
    )
    budget = allocate_budget(model, assignments, text, subrange(report, 0.0, SHARING))
    targets = compress(model, budget.assignments, text, subrange(report, SHARING, 1.0))
    _check_same(record, targets)
    return install_targets(model, budget.assignments, targets)


def _check_same(record: RunRecord, targets: Sequence[CompressedTarget]) -> None:
    """Refuse targets whose bytes or errors differ from the record.

    Raises:
        CompressionError: They differ, for example after training on another device.
    """
    remade = replace(record, targets=tuple(done.record for done in targets))
    sizes = [sum(target.bytes_after for target in run.targets) for run in (record, remade)]
    errors = [run.relative_error for run in (record, remade)]
    if any(abs(new - old) > TOLERANCE * old for old, new in (sizes, errors)):
        raise CompressionError(
            f"The recomputed model differs from the run (relative error {errors[1]:.4g} instead of "
            f"{errors[0]:.4g}), which was probably made on another machine. Run its plan again."
        )
