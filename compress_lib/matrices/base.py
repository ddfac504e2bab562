"""What a compressed matrix can do, whatever it stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.errors import CompressionError
from compress_lib.utils.registry import Registry

FORMS: Registry[CompressedMatrix] = Registry("storage form")
"""Every storage form by its name; a file in this folder adds itself with `@register_form`."""

register_form = FORMS.register


class CompressedMatrix(nn.Module, ABC):
    """A matrix `[rows, cols]` that is stored in fewer bytes.

    Its floating tensors hold values that `dtype` can represent, whatever type they are computed
    in: what is measured is what a checkpoint would hold.

    Every stored tensor is a parameter that does not learn, integer codes too: transformers ties
    shared parameters by their names when it loads a checkpoint, and knows no tied buffers.

    Attributes:
        shape: `[rows, cols]`.
        dtype: The type in which a checkpoint stores its floating tensors.
        bias: `[rows]` to be added to a linear layer's outputs, where a method stores one.
        history: What a method that trains noted at every look, by name; not stored.
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
        """Return the rows `ids` `[...]` as `[..., cols]`, decoding nothing else."""

    @abstractmethod
    def linear(self, x: Tensor) -> Tensor:
        """Return `x Ŵᵀ`: from `[..., cols]` to `[..., rows]`."""

    @abstractmethod
    def to_dense(self) -> Tensor:
        """Return the whole matrix `[rows, cols]`."""

    def matmul(self, x: Tensor) -> Tensor:
        """Return `x Ŵ`: from `[..., rows]` to `[..., cols]`, decoding by chunks of rows."""
        total = x.new_zeros(*x.shape[:-1], self.shape[1])
        for ids in torch.arange(self.shape[0], device=x.device).split(CHUNK):
            total = total + x[..., ids] @ self.lookup(ids)
        return total

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix] | None:
        """Split the storage into stacked matrices of `sizes` rows that share what can be shared.

        Returns:
            None where the storage cannot be cut there; `views.split_rows` then makes views.
        """
        return None

    def transposed(self) -> CompressedMatrix | None:
        """Return the matrix `[cols, rows]` that stores the same tensors.

        Returns:
            None where the form has no transpose; `views.transposed` then makes a view.
        """
        return None

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Return what is needed, as JSON, to build this matrix empty."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: dict[str, Any]) -> CompressedMatrix:
        """Build a matrix without values from its `spec`."""

    @property
    def rank(self) -> int | None:
        """The rank of a factorization or the width of a latent; None where there is none."""
        return None

    @property
    def row_cost(self) -> int:
        """Multiply-adds that decoding one row takes."""
        return int(self.shape[1]) * (self.rank or 1)

    @property
    def decode_cost(self) -> int:
        """Multiply-adds that every multiplication spends on decoding, however few its inputs.

        A dense matrix and two factors spend none.
        """
        return 0

    @property
    def nbytes(self) -> int:
        """The bytes that a checkpoint stores for it."""
        return sum(self.stored_bytes(tensor) for tensor in self.state_dict().values())

    def stored_bytes(self, tensor: Tensor) -> int:
        """The bytes of one of its tensors in a checkpoint."""
        size = self.dtype.itemsize if tensor.is_floating_point() else tensor.element_size()
        return tensor.numel() * size

    def num_parameters(self, tensor: Tensor) -> int:
        """How many numbers one of its tensors stands for, whatever bits each takes.

        Positions, orders and masks are none; see `num_codes`.
        """
        return tensor.numel() if tensor.is_floating_point() else self.num_codes

    @property
    def num_codes(self) -> int:
        """How many codes the tensor of whole numbers holds, where it holds codes."""
        return 0

    def _base_spec(self) -> dict[str, Any]:
        return {
            "form": self.name,
            "shape": list(self.shape),
            "dtype": str(self.dtype).removeprefix("torch."),
        }


CHUNK = 8192
"""Rows decoded at once where a whole matrix is needed."""


def matrix_from_spec(spec: dict[str, Any]) -> CompressedMatrix:
    """Build an empty matrix of any form from its `spec`."""
    return FORMS[spec["form"]].from_spec(spec)


def round_to(tensor: Tensor, dtype: torch.dtype) -> nn.Parameter:
    """Return values as `dtype` represents them, in float32, as a frozen parameter."""
    # A copy, because torch calls some odd strides contiguous that no file keeps.
    values = tensor.detach().to(dtype).float()
    return freeze(values.clone(memory_format=torch.contiguous_format))


def freeze(tensor: Tensor) -> nn.Parameter:
    """Return a parameter that does not learn."""
    return nn.Parameter(tensor, requires_grad=False)


def empty(*shape: int, dtype: torch.dtype | None = None) -> nn.Parameter:
    """Return a parameter without values, for `from_spec`.

    Without a `dtype` it is torch's default, which transformers sets while it loads.
    """
    return freeze(torch.empty(*shape, dtype=dtype))


def stored_type(spec: dict[str, Any]) -> torch.dtype:
    """Return the type that a `spec` names."""
    found: torch.dtype = getattr(torch, spec["dtype"])
    return found


def check_stored(tensors: Sequence[Tensor], shape: Sequence[int], dtype: torch.dtype) -> None:
    """Refuse what rounding to `dtype` has made infinite, or was not finite before.

    Raises:
        CompressionError: Some tensor is not finite.
    """
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise CompressionError(
            f"What is to be stored of a {shape[0]} × {shape[1]} weight is not finite in "
            f"{str(dtype).removeprefix('torch.')}; nothing of it was kept."
        )
