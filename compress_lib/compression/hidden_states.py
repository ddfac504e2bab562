"""Hidden states of the same text in two models, taken through both block by block.

Only the states between two blocks are held, and what blocks are called with besides; what goes
into a layer is computed again when it is asked for.
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
"""Calibration tokens that are taken through the blocks, at most: their states are held."""


class PairedHiddenStates:
    """Two models that stand before the same block.

    Args:
        original: The baseline; it is not changed.
        changed: A clone of it. Its caller may go on changing it, but nothing that was passed.
        blocks: The paths of all blocks in order.
        text: The calibration text, of which the first `TOKENS` tokens are used.
        report: Told about every block of text; may raise `StoppedError`.

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
        # A call that fills a cache could not be repeated.
        more = {} if original.kind == "masked" else {"use_cache": False}
        texts = _first_tokens(text.input_blocks)
        for index, block in enumerate(texts):
            report(Event(index / len(texts), "Reading calibration text: calls of the blocks"))
            ids = block.to(original.device)[None]
            start, calls = note_calls(self._models[0], blocks, ids, more)
            first = changed.get_submodule(blocks[0])
            self._calls.append(calls)
            self._states[0].append(start)
            self._states[1].append(tensor_before(first, partial(changed, ids, **more)))

    def layer_order(self, index: int, layers: Sequence[str]) -> list[list[str]]:
        """Return layers of a block in the order of their use, those with one input together.

        Args:
            index: Of the block before which the streams stand.
            layers: Paths of some of its layers.

        Raises:
            CompressionError: One is used several times, or never.
        """
        found: list[tuple[Tensor, list[str]]] = []

        def note(path: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            together = next((paths for x, paths in found if x is inputs[0]), None)
            if together is None:
                found.append((inputs[0], [path]))
            else:
                together.append(path)

        with ExitStack() as hooks:
            for path in layers:
                layer = self._models[0].get_submodule(path)
                hooks.callback(layer.register_forward_pre_hook(partial(note, path)).remove)
            self._run(0, index, 0)
        used = [path for _, paths in found for path in paths]
        for path in layers:
            if used.count(path) != 1:
                raise CompressionError(
                    f"{path} is used {used.count(path)} times in its block, so that it has no "
                    "inputs of one kind: use inputs=original for it."
                )
        return [paths for _, paths in found]

    def inputs(self, index: int, layer: str, report: Report) -> PairedInputs:
        """Return what a layer gets in both models.

        Args:
            index: Of the block before which the streams stand.
            layer: The path of one of its layers; what comes before it is as it will stay.
            report: Told about every block of text; may raise `StoppedError`.
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
        """Go through a block with both models; it will stay as it is."""
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
        """Return what a layer gets in one of the models, `[tokens, cols]`."""
        module = self._models[which].get_submodule(layer)
        found = tensor_before(module, partial(self._run, which, index, place))
        return found.flatten(0, -2).float()


def _first_tokens(blocks: Sequence[Tensor]) -> list[Tensor]:
    found: list[Tensor] = []
    left = TOKENS
    for block in blocks:
        if left < 1:
            break
        found.append(block[:left])
        left -= len(found[-1])
    return found
