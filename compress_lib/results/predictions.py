"""Predicted bytes and loss of a finished run, for comparison with its measurements."""

from __future__ import annotations

from collections.abc import Sequence

from compress_lib.errors import CompressionError
from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import allocate
from compress_lib.plan.forecast import forecast_loss
from compress_lib.results.landmarks import landmark_targets, record_targets
from compress_lib.results.records import ComponentRecord, RunRecord


def predicted_bytes(record: RunRecord, targets: Sequence[Target]) -> dict[str, int] | None:
    """Return the bytes that a run's plan predicts for each component of its model.

    Args:
        record: The run.
        targets: All compressible weights of its model; empty if unknown.

    Returns:
        Bytes by component name of `MemoryRecord.components`; None if they cannot be predicted,
        for example because bytes are allocated by loss.
    """
    nbytes = {part.component: part.baseline_bytes for part in record.memory.components}
    try:
        assigned = allocate(record.plan, targets) if targets else None
    except CompressionError:
        # The plan is from another version, or another model has that name.
        return None
    if assigned is None or any(item.needs_allocation for item in assigned):
        return None
    for item in assigned:
        # The component of a fused tensor is named after all of its module types.
        name = next((name for name in nbytes if item.family in name.split(", ")), None)
        if name is None:
            return None
        nbytes[name] += item.preview.nbytes + item.retained_bytes - item.nbytes
    return nbytes


def enlarged_components(record: RunRecord) -> list[ComponentRecord]:
    """Return the components that a run made larger."""
    parts = record.memory.components
    return [part for part in parts if part.compressed_bytes > part.baseline_bytes]


def predicted_loss(record: RunRecord) -> float | None:
    """Return the loss increase predicted before a run, in nats per token; None without one."""
    if not record.targets:
        return None
    if record.estimated_loss is not None:
        return record.estimated_loss
    plan = record.plan
    # A record lists compressed weights only, but the plan may select others as well.
    default = plan.model == DEFAULT_MODEL
    targets = landmark_targets()[0] if default else record_targets(record)
    try:
        return forecast_loss(allocate(plan, targets), plan.model)
    except CompressionError:
        return None
