"""What a plan said of bytes before it ran, to stand beside what was measured. Knows no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from compress_lib.errors import CompressionError
from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import allocate
from compress_lib.plan.forecast import forecast_loss
from compress_lib.results.landmarks import landmark_targets, record_targets
from compress_lib.results.records import ComponentRecord, RunRecord

if TYPE_CHECKING:
    pass


def predicted_bytes(record: RunRecord, targets: Sequence[Target]) -> dict[str, int] | None:
    """Return the bytes that a run's plan foretells of each component of its model.

    Args:
        record: The run.
        targets: All compressible weights of its model; none where they are not known.

    Returns:
        By the names of `MemoryRecord.components`; None where nothing can be foretold, as where
        bytes are shared out among components.
    """
    found = {part.component: part.baseline_bytes for part in record.memory.components}
    try:
        assigned = allocate(record.plan, targets) if targets else None
    except CompressionError:
        # A plan of another version, or another model of that name.
        return None
    if assigned is None or any(item.needs_allocation for item in assigned):
        return None
    for item in assigned:
        # Where several families share a tensor, a component has the names of all of them.
        name = next((name for name in found if item.family in name.split(", ")), None)
        if name is None:
            return None
        found[name] += item.preview.nbytes + item.retained_bytes - item.nbytes
    return found


def enlarged_components(record: RunRecord) -> list[ComponentRecord]:
    """Return the components that a run made bigger."""
    parts = record.memory.components
    return [part for part in parts if part.compressed_bytes > part.baseline_bytes]


def predicted_loss(record: RunRecord) -> float | None:
    """Return the growth of the loss that was expected before a run; None where none was."""
    if not record.targets:
        return None
    if record.estimated_loss is not None:
        return record.estimated_loss
    plan = record.plan
    # What was left as it is stands in no record, but a plan selects it.
    default = plan.model == DEFAULT_MODEL
    targets = landmark_targets()[0] if default else record_targets(record)
    try:
        return forecast_loss(allocate(plan, targets), plan.model)
    except CompressionError:
        return None
