"""What a compressed matrix can do, whatever it stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

FORMS: dict[str, type[CompressedMatrix]] = {}
"""Every storage form by its name; a file in this folder adds itself with `@register_form`."""


class CompressedMatrix(nn.Module, ABC):
    """A matrix `[rows, cols]` that is stored in fewer bytes.

    Its floating tensors hold values that `dtype` can represent, whatever type they are computed
    in: what is measured is what a checkpoint would hold.

    Attributes:
        shape: `[rows, cols]`.
        dtype: The type in which a checkpoint stores its floating tensors.
    """

    form: ClassVar[str]

    def __init__(self, shape: tuple[int, int], dtype: torch.dtype) -> None:
        super().__init__()
        self.shape = shape
        self.dtype = dtype

    @abstractmethod
    def rows(self, ids: Tensor) -> Tensor:
        """Return the rows `ids` `[...]` as `[..., cols]`, decoding nothing else."""

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """Return `x Ŵᵀ`: from `[..., cols]` to `[..., rows]`."""

    @abstractmethod
    def dense(self) -> Tensor:
        """Return the whole matrix `[rows, cols]`."""

    @abstractmethod
    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """Split into stacked matrices of `sizes` rows that share what can be shared."""

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
    def nbytes(self) -> int:
        """The bytes that a checkpoint stores for it."""
        return sum(self.stored_bytes(tensor) for tensor in self.state_dict().values())

    def stored_bytes(self, tensor: Tensor) -> int:
        """The bytes of one of its tensors in a checkpoint."""
        size = self.dtype.itemsize if tensor.is_floating_point() else tensor.element_size()
        return tensor.numel() * size

    def _base_spec(self) -> dict[str, Any]:
        return {
            "form": self.form,
            "shape": list(self.shape),
            "dtype": str(self.dtype).removeprefix("torch."),
        }


F = TypeVar("F", bound=type[CompressedMatrix])


def register_form(form: F) -> F:
    """Add a storage form to `FORMS` under its name."""
    if form.form in FORMS:
        raise TypeError(f"two storage forms are called {form.form}")
    FORMS[form.form] = form
    return form


def matrix_from_spec(spec: dict[str, Any]) -> CompressedMatrix:
    """Build an empty matrix of any form from its `spec`."""
    return FORMS[spec["form"]].from_spec(spec)


def rounded(tensor: Tensor, dtype: torch.dtype) -> nn.Parameter:
    """Return values as `dtype` represents them, in float32, as a frozen parameter."""
    values = tensor.detach().to(dtype).float().contiguous()
    return nn.Parameter(values, requires_grad=False)
