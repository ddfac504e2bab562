"""Layer inputs of a tiny model on a calibration text, captured by hooks."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_lib.compression.output_matching import PairedInputs
from compress_lib.data.calibration_text import Calibration
from compress_lib.models.loading import LanguageModel

MADE = torch.Generator().manual_seed(5)
TEXT = Calibration.from_blocks(tuple(torch.randint(300, (480,), generator=MADE).split(96)))


def pair(x: Tensor, seen: Tensor) -> PairedInputs:
    """Return the moments of the inputs `[tokens, cols]` of both models.

    Args:
        x: Inputs in the original model.
        seen: Inputs in the compressed model.
    """
    count = len(x)
    moment, shift = seen.T @ seen / count, (x - seen).T @ seen / count
    return PairedInputs(moment, shift, seen.mean(0), x.mean(0), count)


def inputs_of(model: LanguageModel, path: str) -> Tensor:
    """Return the inputs of a layer on the calibration text, `[tokens, cols]`."""
    seen: list[Tensor] = []
    hook = model.module.get_submodule(path).register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].flatten(0, -2))
    )
    with torch.no_grad():
        for block in TEXT.input_blocks:
            model.module(block[None])
    hook.remove()
    return torch.cat(seen)
