"""Tensors that a checkpoint stores: each shared tensor once, with its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from compress_lib.matrices import CompressedMatrix
from compress_lib.models.loading import LanguageModel


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a checkpoint.

    Attributes:
        name: The first that it has.
        tensor: Itself.
        nbytes: What it takes in a file.
        numbers: How many it stands for; see `CompressedMatrix.num_parameters`.
    """

    name: str
    tensor: Tensor
    nbytes: int
    numbers: int


def stored_tensors(model: LanguageModel) -> Iterator[StoredTensor]:
    """Yield every tensor of the checkpoint once."""
    owners: dict[int, CompressedMatrix] = {}
    for module in model.module.modules():
        if isinstance(module, CompressedMatrix):
            for tensor in module.state_dict(keep_vars=True).values():
                owners[id(tensor)] = module
    seen: set[int] = set()
    for name, tensor in model.module.state_dict(keep_vars=True).items():
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        owner, real = owners.get(id(tensor)), tensor.is_floating_point()
        if owner is not None:
            yield StoredTensor(
                name, tensor, owner.stored_bytes(tensor), owner.num_parameters(tensor)
            )
            continue
        size = model.dtype.itemsize if real else tensor.element_size()
        yield StoredTensor(name, tensor, tensor.numel() * size, tensor.numel() if real else 0)


def total_bytes(model: LanguageModel) -> int:
    """Return the bytes of a model's checkpoint."""
    return sum(stored.nbytes for stored in stored_tensors(model))


def total_parameters(model: LanguageModel) -> int:
    """Return how many numbers a model is computed from, whatever bits each takes."""
    return sum(stored.numbers for stored in stored_tensors(model))
