"""Recompute the compressed model of a finished run, and check it against the run's record."""

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
"""By what share bytes and errors may differ: the last digits depend on the machine."""


def remake(record: RunRecord, model: LanguageModel, report: Report) -> LanguageModel:
    """Recompute the compressed model of a run, without scoring or generating text.

    Args:
        record: The run.
        model: The original, of the revision that the run had.
        report: Called with every event; it may raise `StoppedError`.

    Raises:
        CompressionError: It cannot be recomputed from the weights, the texts and the machine that
            are here now.
    """
    plan = record.plan
    check_protocols(model, plan.evaluation, plan.calibration)
    assignments = allocate(plan, model.targets)
    evaluation, calibration = read_texts(plan, assignments)
    plan = add_provenance(plan, model, evaluation, calibration)
    if plan.key != record.key:
        raise CompressionError(
            "The model of this run cannot be made again: its weights, its texts or the program are "
            "others by now. Run its plan again."
        )
    _, text = prepare_texts(
        model, plan.evaluation, evaluation, plan.calibration, calibration, plan.seed
    )
    budget = allocate_budget(model, assignments, text, subrange(report, 0.0, SHARING))
    targets = compress(model, budget.assignments, text, subrange(report, SHARING, 1.0))
    _check_same(record, targets)
    return install_targets(model, budget.assignments, targets)


def _check_same(record: RunRecord, targets: Sequence[CompressedTarget]) -> None:
    """Refuse targets whose bytes or errors are not those of the record.

    Raises:
        CompressionError: They differ, as after training on another device.
    """
    again = replace(record, targets=tuple(done.record for done in targets))
    sizes = [sum(target.bytes_after for target in run.targets) for run in (record, again)]
    errors = [run.relative_error for run in (record, again)]
    if any(abs(new - old) > TOLERANCE * old for old, new in (sizes, errors)):
        raise CompressionError(
            f"Made again, this model came out otherwise (relative error {errors[1]:.4g} instead of "
            f"{errors[0]:.4g}): the run was made on another machine. Run its plan again."
        )
