"""Compressed-matrix interface, the registry of storage forms, and tensor helpers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.errors import CompressionError
from compress_lib.utils.registry import Registry

FORMS: Registry[CompressedMatrix] = Registry("storage form")
"""All storage forms by name; modules in this folder register theirs with `@register_form`."""

register_form = FORMS.register


class CompressedMatrix(nn.Module, ABC):
    """Compressed matrix `[rows, cols]`.

    Floating-point tensors only hold values that `dtype` can represent, whatever type they are
    computed in, so evaluation sees the same values as a checkpoint.

    Every stored tensor is a frozen parameter, including integer codes: on loading a checkpoint,
    transformers ties shared parameters by name but does not support tied buffers.

    Attributes:
        shape: `[rows, cols]`.
        dtype: Checkpoint type of the floating-point tensors.
        bias: `[rows]`, added to a linear layer's outputs, if the method stores one.
        history: Metrics recorded during training at every evaluation, by name; not stored.
    """

    name: ClassVar[str]

    def __init__(self, shape: tuple[int, int], dtype: torch.dtype) -> None:
        super().__init__()
        self.shape = shape
        self.dtype = dtype
        self.bias: nn.Parameter | None = None
        self.history: dict[str, list[float]] = {}

    @abstractmethod
    def lookup(self, ids: Tensor) -> Tensor:
        """Return the rows `ids` `[...]` as `[..., cols]`, decoding only these rows."""

    @abstractmethod
    def linear(self, x: Tensor) -> Tensor:
        """Return `x Ŵᵀ` `[..., rows]` for `x` `[..., cols]`."""

    @abstractmethod
    def to_dense(self) -> Tensor:
        """Return the decoded matrix `[rows, cols]`."""

    def matmul(self, x: Tensor) -> Tensor:
        """Return `x Ŵ` `[..., cols]` for `x` `[..., rows]`, decoding in chunks of rows."""
        total = x.new_zeros(*x.shape[:-1], self.shape[1])
        for ids in torch.arange(self.shape[0], device=x.device).split(CHUNK):
            total = total + x[..., ids] @ self.lookup(ids)
        return total

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix] | None:
        """Split into consecutive matrices of `sizes` rows that share tensors where possible.

        Returns:
            None if the storage cannot be split there; `views.split_rows` then creates views.
        """
        return None

    def transposed(self) -> CompressedMatrix | None:
        """Return the transpose `[cols, rows]`, which stores the same values.

        Returns:
            None if the form has no transpose; `views.transposed` then creates a view.
        """
        return None

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Return a JSON-serializable description for `from_spec`."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: dict[str, Any]) -> CompressedMatrix:
        """Build a matrix with uninitialized tensors from its `spec`."""

    @property
    def rank(self) -> int | None:
        """The rank of a factorization or the latent width; None for other forms."""
        return None

    @property
    def row_cost(self) -> int:
        """Multiply-adds to decode one row."""
        return int(self.shape[1]) * (self.rank or 1)

    @property
    def decode_cost(self) -> int:
        """Multiply-adds that every multiplication spends on decoding, for any number of inputs.

        0 for dense matrices and for two dense factors.
        """
        return 0

    @property
    def nbytes(self) -> int:
        """Checkpoint size in bytes."""
        return sum(self.stored_bytes(tensor) for tensor in self.state_dict().values())

    def stored_bytes(self, tensor: Tensor) -> int:
        """Return the bytes of one of the matrix's tensors in a checkpoint."""
        size = self.dtype.itemsize if tensor.is_floating_point() else tensor.element_size()
        return tensor.numel() * size

    def num_parameters(self, tensor: Tensor) -> int:
        """Return the number of parameters in one of the matrix's tensors, at any bit width.

        Positions, permutations and masks do not count; see `num_codes`.
        """
        return tensor.numel() if tensor.is_floating_point() else self.num_codes

    @property
    def num_codes(self) -> int:
        """Number of quantization codes in the integer tensor; 0 if it holds no codes."""
        return 0

    def _base_spec(self) -> dict[str, Any]:
        return {
            "form": self.name,
            "shape": list(self.shape),
            "dtype": str(self.dtype).removeprefix("torch."),
        }


CHUNK = 8192
"""Rows decoded at once when the full matrix is needed."""


def matrix_from_spec(spec: dict[str, Any]) -> CompressedMatrix:
    """Build a matrix of any form, with uninitialized tensors, from its `spec`."""
    return FORMS[spec["form"]].from_spec(spec)


def round_to(tensor: Tensor, dtype: torch.dtype) -> nn.Parameter:
    """Return a frozen float32 parameter with the values rounded to `dtype`.

    Args:
        tensor: The values.
        dtype: Checkpoint type.
    """
    # Copy: torch counts some unusual strides as contiguous, which a file does not preserve.
    values = tensor.detach().to(dtype).float()
    return freeze(values.clone(memory_format=torch.contiguous_format))


def freeze(tensor: Tensor) -> nn.Parameter:
    """Return a parameter that requires no gradient."""
    return nn.Parameter(tensor, requires_grad=False)


def empty(*shape: int, dtype: torch.dtype | None = None) -> nn.Parameter:
    """Return a frozen, uninitialized parameter for `from_spec`.

    Args:
        shape: Size of each dimension.
        dtype: Defaults to torch's default type, which transformers sets while loading.
    """
    return freeze(torch.empty(*shape, dtype=dtype))


def stored_type(spec: dict[str, Any]) -> torch.dtype:
    """Return the checkpoint type named in a `spec`."""
    dtype: torch.dtype = getattr(torch, spec["dtype"])
    return dtype


def check_stored(tensors: Sequence[Tensor], shape: Sequence[int], dtype: torch.dtype) -> None:
    """Check that the tensors to be stored are finite after rounding to `dtype`.

    Args:
        tensors: The rounded tensors.
        shape: `[rows, cols]` of the weight, for the message.
        dtype: Checkpoint type, for the message.

    Raises:
        CompressionError: A tensor has an infinite or NaN entry.
    """
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise CompressionError(
            f"The compressed form of a {shape[0]} × {shape[1]} weight is not finite in "
            f"{str(dtype).removeprefix('torch.')}, so it was discarded."
        )
