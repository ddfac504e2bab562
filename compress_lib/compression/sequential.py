"""Sequential compression: each layer on the inputs it gets in the model compressed so far.

An error in one layer changes the inputs of all later layers. A layer that is compressed for its
actual inputs, with the original outputs as the target, compensates part of that error. Blocks are
processed in the model's order, and layers within a block in call order. Bytes are allocated
beforehand, with statistics of the original model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compress_lib.compression.block_calls import blocks_of
from compress_lib.compression.hidden_states import PairedHiddenStates
from compress_lib.compression.stacking import sites_of
from compress_lib.compression.target_compressor import (
    CompressedInputs,
    CompressedTarget,
    TargetCompressor,
)
from compress_lib.matrices import CompressedMatrix
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import install
from compress_lib.plan.allocation import Assignment
from compress_lib.utils.progress import Report, subrange

NOTING = 0.05
"""Share of progress for recording the calls of the blocks."""

ADVANCING = 0.2
"""Share of a block's progress for advancing the hidden states through it."""

Layers = Mapping[str, Sequence[Assignment]]
"""Assignments by the path of their layer; a fused weight has one per part."""


def compress_sequentially(
    compressor: TargetCompressor,
    assignments: Sequence[Assignment],
    changed: LanguageModel,
    before: Mapping[str, CompressedMatrix],
    report: Report,
) -> Iterator[CompressedTarget]:
    """Compress layers in the model's order.

    Args:
        compressor: The compressor with the baseline.
        assignments: Assignments of one target each, all within blocks.
        changed: A clone of the baseline with the matrices of `before`; compressed layers are
            installed in it.
        before: Matrices that were compressed independently, by target.
        report: Receives progress events for every stage of a block; may raise `StoppedError`.

    Yields:
        Each finished target.

    Raises:
        CompressionError: The model's blocks cannot be run one by one, or a method fails.
    """
    targets = [target for assignment in assignments for target in assignment.targets]
    blocks = blocks_of(targets, compressor.model.module)
    states = PairedHiddenStates(
        compressor.model, changed.module, blocks, compressor.text, subrange(report, 0.0, NOTING)
    )
    work = [_by_layer(compressor.model, assignments, block) for block in blocks]
    last = max(index for index, layers in enumerate(work) if layers)
    matrices = dict(before)
    for index, layers in enumerate(work[: last + 1]):
        share = (1 - NOTING) / (last + 1)
        part = subrange(report, NOTING + share * index, NOTING + share * (index + 1))
        if layers:
            block_report = subrange(part, 0.0, 1 - ADVANCING)
            yield from _compress_block(
                compressor, states, index, layers, changed, matrices, block_report
            )
        if index < last:
            states.next_block(index, subrange(part, 1 - ADVANCING, 1.0))


def _compress_block(
    compressor: TargetCompressor,
    states: PairedHiddenStates,
    index: int,
    layers: Layers,
    changed: LanguageModel,
    matrices: dict[str, CompressedMatrix],
    report: Report,
) -> Iterator[CompressedTarget]:
    """Compress the layers of a block, one group with common inputs after the other."""
    stages = states.layer_order(index, list(layers))
    for number, paths in enumerate(stages):
        part = subrange(report, number / len(stages), (number + 1) / len(stages))
        context = CompressedInputs(
            states.inputs(index, paths[0], subrange(part, 0.0, 0.5)), dict(matrices)
        )
        members = [assignment for path in paths for assignment in layers[path]]
        for place, member in enumerate(members):
            ends = (0.5 + 0.5 * (place + step) / len(members) for step in (0, 1))
            for done in compressor.compress(member, subrange(part, *ends), context):
                matrices[done.record.names[0]] = done.matrix
                yield done
        sites = [site for site in compressor.model.sites if set(site.modules) & set(paths)]
        install(changed.module, sites, matrices, changed.dtype)


def _by_layer(model: LanguageModel, assignments: Sequence[Assignment], block: str) -> Layers:
    """Return the assignments of a block by the path of their layer."""
    layers: dict[str, list[Assignment]] = {}
    for assignment in assignments:
        (site,) = sites_of(model, assignment)
        if f"{site.modules[0]}.".startswith(f"{block}."):
            layers.setdefault(site.modules[0], []).append(assignment)
    return layers
