"""Factored-matrix base class: a product of smaller matrices, with an offset and a bias."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import CompressedMatrix, check_stored, empty, round_to


class FactoredMatrix(CompressedMatrix):
    """Base class of Ŵ = product + 1 offsetᵀ; subclasses implement the product.

    Attributes:
        offset: `[cols]`, the bias of a linear decoder, or None.
        bias: `[rows]`, or None. Not part of Ŵ: it is added to a linear layer's outputs.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: torch.dtype,
        offset: nn.Parameter | None = None,
        bias: nn.Parameter | None = None,
    ) -> None:
        super().__init__(shape, dtype)
        self.offset = offset
        self.bias = bias

    @abstractmethod
    def _product_rows(self, ids: Tensor) -> Tensor:
        """Return rows `ids` `[...]` of the product as `[..., cols]`."""

    @abstractmethod
    def _product_project(self, x: Tensor) -> Tensor:
        """Return `x` `[..., cols]` times the transposed product, `[..., rows]`."""

    @abstractmethod
    def _product_combine(self, x: Tensor) -> Tensor:
        """Return `x` `[..., rows]` times the product, `[..., cols]`."""

    @abstractmethod
    def _product(self) -> Tensor:
        """Return the product `[rows, cols]`, detached."""

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        rows = self._product_rows(ids)
        return rows if self.offset is None else rows + self.offset

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`."""
        y = self._product_project(x)
        return y if self.offset is None else y + (x @ self.offset)[..., None]

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        y = self._product_combine(x)
        return y if self.offset is None else y + x.sum(-1, keepdim=True) * self.offset

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        product = self._product()
        return product if self.offset is None else product + self.offset.detach()

    def _split_bias(self, sizes: Sequence[int]) -> Sequence[nn.Parameter | None]:
        """Return the bias of each part of a row split."""
        if self.bias is None:
            return [None] * len(sizes)
        return [round_to(part, self.dtype) for part in self.bias.detach().split(list(sizes))]

    def _base_spec(self) -> dict[str, Any]:
        spec = super()._base_spec() | {"offset": self.offset is not None}
        return spec | ({"bias": True} if self.bias is not None else {})


def as_parameters(
    offset: Tensor | None, bias: Tensor | None, dtype: torch.dtype
) -> dict[str, nn.Parameter | None]:
    """Return keyword arguments for `FactoredMatrix`: offset and bias rounded to `dtype`.

    Args:
        offset: `[cols]`, or None.
        bias: `[rows]`, or None.
        dtype: Checkpoint type.

    Raises:
        CompressionError: A tensor is not finite or overflows `dtype`.
    """
    parameters = {
        name: None if tensor is None else round_to(tensor, dtype)
        for name, tensor in (("offset", offset), ("bias", bias))
    }
    for tensor in parameters.values():
        if tensor is not None:
            check_stored([tensor], (1, len(tensor)), dtype)
    return parameters


def empty_beside(spec: dict[str, Any]) -> dict[str, nn.Parameter | None]:
    """Return the uninitialized offset and bias of a spec, as keyword arguments."""
    rows, cols = spec["shape"]
    return {
        "offset": empty(cols) if spec["offset"] else None,
        "bias": empty(rows) if spec.get("bias") else None,
    }
