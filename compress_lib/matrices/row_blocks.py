"""Block partition of the rows: each block is stored in its own form, in any row order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    empty,
    freeze,
    matrix_from_spec,
    register_form,
)
from compress_lib.matrices.packing import pack, unpack
from compress_lib.utils.packed_sizes import members_bytes, number_bits


@register_form
class BlocksMatrix(CompressedMatrix):
    """Row blocks `blocks` `[block rows, cols]`, and the block index of every row.

    `members` is uint8 `[bytes]`, the indices packed as in `packing`; None for a single block.
    Rows of a block keep their order, so the position of a row within its block follows from the
    preceding indices. A permutation would take 32 bits per row; this takes 4 for 16 blocks.
    """

    name: ClassVar[str] = "blocks"

    def __init__(
        self, blocks: Sequence[CompressedMatrix], members: nn.Parameter | None, dtype: torch.dtype
    ) -> None:
        rows = sum(block.shape[0] for block in blocks)
        super().__init__((rows, blocks[0].shape[1]), dtype)
        self.blocks = nn.ModuleList(blocks)
        self.members = members
        self._places: Tensor | None = None

    @classmethod
    def of(cls, blocks: Sequence[CompressedMatrix], numbers: Tensor) -> BlocksMatrix:
        """Store blocks with the block index of each row.

        Args:
            blocks: At most 256 blocks `[block rows, cols]`.
            numbers: `[rows]`, the block index of each row.
        """
        bits = number_bits(len(blocks))
        members = freeze(pack(numbers[None], bits)[0]) if bits else None
        return cls(blocks, members, blocks[0].dtype)

    @property
    def row_cost(self) -> int:
        """See `CompressedMatrix.row_cost`."""
        return max(block.row_cost for block in self._each())

    @property
    def decode_cost(self) -> int:
        """See `CompressedMatrix.decode_cost`."""
        return sum(block.decode_cost for block in self._each())

    def lookup(self, ids: Tensor) -> Tensor:
        """See `CompressedMatrix.lookup`."""
        places = self._all_places()[ids.flatten()]
        block_ids = torch.bucketize(places, self._ends(places.device), right=True)
        decoded: Tensor | None = None
        start = 0
        for number, block in enumerate(self._each()):
            selected = (block_ids == number).nonzero()[:, 0]
            if len(selected):
                rows = block.lookup(places[selected] - start)
                decoded = rows.new_empty(len(places), self.shape[1]) if decoded is None else decoded
                decoded[selected] = rows
            start += block.shape[0]
        if decoded is None:
            decoded = next(self.blocks.parameters()).new_empty(0, self.shape[1])
        return decoded.reshape(*ids.shape, self.shape[1])

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`: block by block, then reordered to row order."""
        y = torch.cat([block.linear(x) for block in self._each()], dim=-1)
        return y.index_select(-1, self._all_places())

    def matmul(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.matmul`."""
        order = self._all_places().argsort()
        parts = x.index_select(-1, order).split([block.shape[0] for block in self._each()], dim=-1)
        total = x.new_zeros(*x.shape[:-1], self.shape[1])
        for part, block in zip(parts, self._each(), strict=True):
            total = total + block.matmul(part)
        return total

    def to_dense(self) -> Tensor:
        """See `CompressedMatrix.to_dense`."""
        return torch.cat([block.to_dense() for block in self._each()])[self._all_places()]

    def stored_bytes(self, tensor: Tensor) -> int:
        """See `CompressedMatrix.stored_bytes`."""
        return self._each()[0].stored_bytes(tensor)

    def _each(self) -> list[CompressedMatrix]:
        return list(self.blocks)  # type: ignore[arg-type]

    def _ends(self, device: torch.device) -> Tensor:
        sizes = torch.tensor([block.shape[0] for block in self._each()], device=device)
        return sizes.cumsum(0)

    def _all_places(self) -> Tensor:
        """Return the position of each row in the concatenated blocks, `[rows]`; cached."""
        device = next(self.blocks.parameters()).device
        if self._places is None or self._places.device != device:
            numbers = torch.zeros(self.shape[0], dtype=torch.uint8, device=device)
            if self.members is not None:
                bits = number_bits(len(self.blocks))
                numbers = unpack(self.members[None], bits, self.shape[0])[0]
            # The cached tensor must also be usable in autograd, even if created in inference mode.
            with torch.inference_mode(False):
                self._places = numbers.clone().argsort(stable=True).argsort()
        return self._places

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"blocks": [block.spec() for block in self._each()]}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> BlocksMatrix:
        """See `CompressedMatrix.from_spec`."""
        blocks = [matrix_from_spec(block) for block in spec["blocks"]]
        nbytes = members_bytes(spec["shape"][0], len(blocks))
        members = empty(nbytes, dtype=torch.uint8) if nbytes else None
        return cls(blocks, members, blocks[0].dtype)
