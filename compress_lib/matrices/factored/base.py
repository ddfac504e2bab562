"""What products of smaller matrices have in common: an offset, and a bias."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import CompressedMatrix, check_stored, empty, round_to


class FactoredMatrix(CompressedMatrix):
    """Ŵ = a product + 1 offsetᵀ; a subclass knows the product.

    Attributes:
        offset: `[cols]`, where a decoder has a bias.
        bias: `[rows]`. It is no part of Ŵ: it is added to the outputs of a linear layer.
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
        """Return the product's rows `ids` `[...]` as `[..., cols]`."""

    @abstractmethod
    def _product_project(self, x: Tensor) -> Tensor:
        """Return x times the product's transpose, `[..., rows]`."""

    @abstractmethod
    def _product_combine(self, x: Tensor) -> Tensor:
        """Return x times the product, `[..., cols]`."""

    @abstractmethod
    def _product(self) -> Tensor:
        """Return the product `[rows, cols]`, without a gradient."""

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        found = self._product_rows(ids)
        return found if self.offset is None else found + self.offset

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
        whole = self._product()
        return whole if self.offset is None else whole + self.offset.detach()

    def _split_bias(self, sizes: Sequence[int]) -> Sequence[nn.Parameter | None]:
        """Return the bias of each of several parts, rounded as it is."""
        if self.bias is None:
            return [None] * len(sizes)
        return [round_to(part, self.dtype) for part in self.bias.detach().split(list(sizes))]

    def _base_spec(self) -> dict[str, Any]:
        found = super()._base_spec() | {"offset": self.offset is not None}
        return found | ({"bias": True} if self.bias is not None else {})


def as_parameters(
    offset: Tensor | None, bias: Tensor | None, dtype: torch.dtype
) -> dict[str, nn.Parameter | None]:
    """Return an offset and a bias, where there are any, as `FactoredMatrix` takes them.

    Raises:
        CompressionError: One is not finite, or too large for `dtype`.
    """
    found = {
        name: None if tensor is None else round_to(tensor, dtype)
        for name, tensor in (("offset", offset), ("bias", bias))
    }
    for tensor in found.values():
        if tensor is not None:
            check_stored([tensor], (1, len(tensor)), dtype)
    return found


def empty_beside(spec: dict[str, Any]) -> dict[str, nn.Parameter | None]:
    """Return an offset and a bias without values, as a spec has them."""
    rows, cols = spec["shape"]
    return {
        "offset": empty(cols) if spec["offset"] else None,
        "bias": empty(rows) if spec.get("bias") else None,
    }
