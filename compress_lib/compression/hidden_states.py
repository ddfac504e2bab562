"""Paired hidden states: the original and the compressed model, advanced block by block.

Only the hidden states between two blocks and the other arguments of the blocks are in memory;
the inputs of a layer are recomputed when they are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from compress_lib.compression.block_calls import Call, note_calls, tensor_before
from compress_lib.compression.output_matching import PairedInputs
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import CompressionError
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import clone
from compress_lib.utils.progress import Event, Report

TOKENS = 8192
"""Maximum number of calibration tokens, because their hidden states stay in memory."""


class PairedHiddenStates:
    """Hidden states of two models before the same block.

    Args:
        original: The baseline; it is not changed.
        changed: A clone of it. The caller may change it further, except for blocks that
            `next_block` has passed.
        blocks: The paths of all blocks in order.
        text: The calibration text; its first `TOKENS` tokens are used.
        report: Receives progress events for every block of text; may raise `StoppedError`.

    Raises:
        CompressionError: The blocks cannot be run one by one.
    """

    def __init__(
        self,
        original: LanguageModel,
        changed: nn.Module,
        blocks: Sequence[str],
        text: Calibration,
        report: Report,
    ) -> None:
        self.blocks = blocks
        self._models: tuple[nn.Module, nn.Module] = (clone(original.module), changed)
        self._states: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._calls: list[list[Call]] = []
        # A call that fills a KV cache could not be repeated.
        more = {} if original.kind == "masked" else {"use_cache": False}
        texts = _first_tokens(text.input_blocks)
        for index, block in enumerate(texts):
            report(Event(index / len(texts), "Reading calibration text: block inputs"))
            ids = block.to(original.device)[None]
            start, calls = note_calls(self._models[0], blocks, ids, more)
            first = changed.get_submodule(blocks[0])
            self._calls.append(calls)
            self._states[0].append(start)
            self._states[1].append(tensor_before(first, partial(changed, ids, **more)))

    def layer_order(self, index: int, layers: Sequence[str]) -> list[list[str]]:
        """Return layers of a block in call order, grouped by common input tensor.

        Args:
            index: The current block.
            layers: Paths of some of its layers.

        Raises:
            CompressionError: A layer is called several times, or never.
        """
        groups: list[tuple[Tensor, list[str]]] = []

        def record_call(path: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            group = next((paths for x, paths in groups if x is inputs[0]), None)
            if group is None:
                groups.append((inputs[0], [path]))
            else:
                group.append(path)

        with ExitStack() as hooks:
            for path in layers:
                layer = self._models[0].get_submodule(path)
                hooks.callback(layer.register_forward_pre_hook(partial(record_call, path)).remove)
            self._run(0, index, 0)
        called = [path for _, paths in groups for path in paths]
        for path in layers:
            if called.count(path) != 1:
                raise CompressionError(
                    f"{path} is used {called.count(path)} times in its block, so its inputs are "
                    "ambiguous: use inputs=original for it."
                )
        return [paths for _, paths in groups]

    def inputs(self, index: int, layer: str, report: Report) -> PairedInputs:
        """Return the input statistics of a layer in both models.

        Args:
            index: The current block.
            layer: The path of one of its layers; everything before it must be final.
            report: Receives progress events for every block of text; may raise `StoppedError`.
        """
        sums: list[Tensor | float] = [0.0] * 4
        tokens, count = 0, len(self._calls)
        for place in range(count):
            report(Event(place / count, f"Inputs of {layer} in both models"))
            x, seen = (self._input(which, layer, index, place) for which in (0, 1))
            parts = (seen.T @ seen, (x - seen).T @ seen, seen.sum(0), x.sum(0))
            sums = [total + part.double() for total, part in zip(sums, parts, strict=True)]
            tokens += len(seen)
        moment, shift, mean, original = (torch.as_tensor(total / tokens).float() for total in sums)
        return PairedInputs(moment, shift, mean, original, tokens)

    def next_block(self, index: int, report: Report) -> None:
        """Advance both models through a block, which must not change afterwards.

        Args:
            index: The current block.
            report: Receives progress events for every block of text; may raise `StoppedError`.
        """
        count = len(self._calls)
        for place in range(count):
            report(Event(place / count, f"Block {index + 1} of {len(self.blocks)} in both models"))
            for which in (0, 1):
                self._states[which][place] = self._run(which, index, place)

    def _run(self, which: int, index: int, place: int) -> Tensor:
        block = self._models[which].get_submodule(self.blocks[index])
        with torch.no_grad():
            return self._calls[place][index].repeat(block, self._states[which][place])

    def _input(self, which: int, layer: str, index: int, place: int) -> Tensor:
        """Return the inputs `[tokens, cols]` of a layer in one of the models."""
        module = self._models[which].get_submodule(layer)
        x = tensor_before(module, partial(self._run, which, index, place))
        return x.flatten(0, -2).float()


def _first_tokens(blocks: Sequence[Tensor]) -> list[Tensor]:
    kept: list[Tensor] = []
    remaining = TOKENS
    for block in blocks:
        if remaining < 1:
            break
        kept.append(block[:remaining])
        remaining -= len(kept[-1])
    return kept
