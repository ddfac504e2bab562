"""Tensors of a checkpoint with their bytes; shared tensors are counted once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from compress_lib.matrices import CompressedMatrix
from compress_lib.models.loading import LanguageModel


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a checkpoint.

    Attributes:
        name: Its first name in the model's state dict.
        tensor: The tensor.
        nbytes: Its bytes in the checkpoint file.
        numbers: Count of numbers that it encodes; see `CompressedMatrix.num_parameters`.
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
        owner, floating = owners.get(id(tensor)), tensor.is_floating_point()
        if owner is not None:
            yield StoredTensor(
                name, tensor, owner.stored_bytes(tensor), owner.num_parameters(tensor)
            )
            continue
        size = model.dtype.itemsize if floating else tensor.element_size()
        yield StoredTensor(name, tensor, tensor.numel() * size, tensor.numel() if floating else 0)


def total_bytes(model: LanguageModel) -> int:
    """Return the size of a model's checkpoint in bytes."""
    return sum(stored.nbytes for stored in stored_tensors(model))


def total_parameters(model: LanguageModel) -> int:
    """Return the count of numbers that a model is computed from, regardless of their bit width."""
    return sum(stored.numbers for stored in stored_tensors(model))
