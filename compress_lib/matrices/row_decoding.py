"""Chunked row decoding for storage forms that must be decoded before multiplication."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from compress_lib.matrices.base import CompressedMatrix

ELEMENTS = 2**22
"""Entries decoded at once: about 16 MB in float32, for any matrix size."""


class DecodedByRows(CompressedMatrix):
    """Base class of matrices that are multiplied in chunks of decoded rows, without caching."""

    @abstractmethod
    def _decode(self, ids: Tensor) -> Tensor:
        """Return the rows `ids` `[n]` as `[n, cols]`."""

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`: about one multiply-add per entry."""
        return int(self.shape[0]) * int(self.shape[1])

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        decoded = [self._decode(chunk) for chunk in ids.flatten().split(self._chunk)]
        return torch.cat(decoded).reshape(*ids.shape, self.shape[1])

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`."""
        parts = [self._project_between(x, start, stop) for start, stop in self._chunks()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        total = x.new_zeros(*x.shape[:-1], self.shape[1])
        for start, stop in self._chunks():
            total = total + x[..., start:stop] @ self._decode_between(start, stop).to(x.dtype)
        return total

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        parts = [self._decode_between(start, stop) for start, stop in self._chunks()]
        return torch.cat(parts).detach()

    def _project_between(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Return `x Ŵᵀ` for the rows from `start` to `stop`."""
        return x @ self._decode_between(start, stop).to(x.dtype).T

    def _decode_between(self, start: int, stop: int) -> Tensor:
        """Return consecutive rows; forms may override this with a faster implementation."""
        device = next(self.parameters()).device
        return self._decode(torch.arange(start, stop, device=device))

    @property
    def _chunk(self) -> int:
        return max(1, ELEMENTS // self.shape[1])

    def _chunks(self) -> Iterator[tuple[int, int]]:
        """Yield `(start, stop)` of every chunk of rows; at least one chunk."""
        for start in range(0, max(1, self.shape[0]), self._chunk):
            yield start, min(start + self._chunk, self.shape[0])


def smallest_integer(largest: int) -> torch.dtype:
    """Return the smallest widely supported integer type that can hold 0 to `largest`."""
    for dtype in (torch.uint8, torch.int16, torch.int32):
        if largest <= torch.iinfo(dtype).max:
            return dtype
    return torch.int64
