"""Compressing layer by layer, with the inputs of a model that is compressed so far.

What is lost in one layer changes the inputs of all that follow. A layer that is compressed for
the inputs it will really get, and for the outputs that it gave originally, takes some of that
loss back. Blocks are visited in the model's order, and within one its layers in the order of
their use. The bytes of each are shared out before, by the original model.
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
"""The share that noting how blocks are called takes."""

ADVANCING = 0.2
"""The share of a block that going through it takes, when its layers are done."""

Layers = Mapping[str, Sequence[Assignment]]
"""By the path of a layer: one assignment, or those of a fused weight's parts."""


def compress_sequentially(
    bench: TargetCompressor,
    assignments: Sequence[Assignment],
    changed: LanguageModel,
    before: Mapping[str, CompressedMatrix],
    report: Report,
) -> Iterator[CompressedTarget]:
    """Compress layers in the model's order.

    Args:
        bench: With the baseline.
        assignments: Of one target each, all of them in blocks.
        changed: A clone of the baseline in which `before` stands already; it is changed.
        before: By target, what was compressed without waiting.
        report: Told about every stage of a block; may raise `StoppedError`.

    Raises:
        CompressionError: The model's blocks cannot be run one by one, or a method fails.
    """
    targets = [target for assignment in assignments for target in assignment.targets]
    blocks = blocks_of(targets, bench.model.module)
    streams = PairedHiddenStates(
        bench.model, changed.module, blocks, bench.text, subrange(report, 0.0, NOTING)
    )
    work = [_by_layer(bench.model, assignments, block) for block in blocks]
    last = max(index for index, layers in enumerate(work) if layers)
    matrices = dict(before)
    for index, layers in enumerate(work[: last + 1]):
        share = (1 - NOTING) / (last + 1)
        part = subrange(report, NOTING + share * index, NOTING + share * (index + 1))
        if layers:
            own = subrange(part, 0.0, 1 - ADVANCING)
            yield from _compress_block(bench, streams, index, layers, changed, matrices, own)
        if index < last:
            streams.next_block(index, subrange(part, 1 - ADVANCING, 1.0))


def _compress_block(
    bench: TargetCompressor,
    streams: PairedHiddenStates,
    index: int,
    layers: Layers,
    changed: LanguageModel,
    matrices: dict[str, CompressedMatrix],
    report: Report,
) -> Iterator[CompressedTarget]:
    """Compress layers that have the same inputs, put them in their place, and go on."""
    stages = streams.layer_order(index, list(layers))
    for number, paths in enumerate(stages):
        part = subrange(report, number / len(stages), (number + 1) / len(stages))
        around = CompressedInputs(
            streams.inputs(index, paths[0], subrange(part, 0.0, 0.5)), dict(matrices)
        )
        members = [assignment for path in paths for assignment in layers[path]]
        for place, member in enumerate(members):
            ends = (0.5 + 0.5 * (place + step) / len(members) for step in (0, 1))
            for done in bench.compress(member, subrange(part, *ends), around):
                matrices[done.record.names[0]] = done.matrix
                yield done
        sites = [site for site in bench.model.sites if set(site.modules) & set(paths)]
        install(changed.module, sites, matrices, changed.dtype)


def _by_layer(model: LanguageModel, assignments: Sequence[Assignment], block: str) -> Layers:
    """Return the assignments in a block by the path of their layer."""
    found: dict[str, list[Assignment]] = {}
    for assignment in assignments:
        (site,) = sites_of(model, assignment)
        if f"{site.modules[0]}.".startswith(f"{block}."):
            found.setdefault(site.modules[0], []).append(assignment)
    return found
