"""What forms have in common that have to be decoded before they can be multiplied."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from compress_lib.matrices.base import CompressedMatrix

ELEMENTS = 2**22
"""Numbers decoded at once: some 16 MB, whatever the size of the matrix."""


class DecodedByRows(CompressedMatrix):
    """A matrix that is multiplied chunk by chunk of decoded rows; none of them is kept."""

    @abstractmethod
    def _decode(self, ids: Tensor) -> Tensor:
        """Return the rows `ids` `[n]` as `[n, cols]`."""

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`: about one multiply-add an entry."""
        return int(self.shape[0]) * int(self.shape[1])

    def rows(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.rows`."""
        decoded = [self._decode(some) for some in ids.flatten().split(self._chunk)]
        return torch.cat(decoded).reshape(*ids.shape, self.shape[1])

    def project(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.project`."""
        decoded = (self._decode(ids) for ids in self._all_ids().split(self._chunk))
        return torch.cat([x @ rows.to(x.dtype).T for rows in decoded], dim=-1)

    def combine(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.combine`."""
        total = x.new_zeros(*x.shape[:-1], self.shape[1])
        for ids in self._all_ids().split(self._chunk):
            total = total + x[..., ids] @ self._decode(ids).to(x.dtype)
        return total

    def dense(self) -> Tensor:
        """See `CompressedMatrix.dense`."""
        return self.rows(self._all_ids()).detach()

    @property
    def _chunk(self) -> int:
        return max(1, ELEMENTS // self.shape[1])

    def _all_ids(self) -> Tensor:
        device = next(self.parameters()).device
        return torch.arange(self.shape[0], device=device)


def smallest_integer(largest: int) -> torch.dtype:
    """Return the smallest type, of those every tool reads, that holds 0 to `largest`."""
    for dtype in (torch.uint8, torch.int16, torch.int32):
        if largest <= torch.iinfo(dtype).max:
            return dtype
    return torch.int64
