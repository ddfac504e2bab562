"""Blocks of rows, each in a form of its own, in any order of rows."""

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
    """Stores `blocks` `[some rows, cols]`, and for every row the number of its block.

    `members` is uint8 `[bytes]`, the numbers packed as in `packing`; with a single block there is
    none. Rows of a block keep their order, so that the place of a row follows from the numbers
    before it. A permutation would take 32 bits a row; this takes 4 for 16 blocks.
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
        """Store blocks, and the number `[rows]` of each row's block; at most 256 blocks."""
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
        wanted = torch.bucketize(places, self._ends(places.device), right=True)
        found: Tensor | None = None
        start = 0
        for number, block in enumerate(self._each()):
            mine = (wanted == number).nonzero()[:, 0]
            if len(mine):
                rows = block.lookup(places[mine] - start)
                found = rows.new_empty(len(places), self.shape[1]) if found is None else found
                found[mine] = rows
            start += block.shape[0]
        if found is None:
            found = next(self.blocks.parameters()).new_empty(0, self.shape[1])
        return found.reshape(*ids.shape, self.shape[1])

    def linear(self, x: Tensor) -> Tensor:
        """See `CompressedMatrix.linear`: block by block, then in the order of rows."""
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
        """Return where each row is, were the blocks stacked; worked out once, `[rows]`."""
        device = next(self.blocks.parameters()).device
        if self._places is None or self._places.device != device:
            numbers = torch.zeros(self.shape[0], dtype=torch.uint8, device=device)
            if self.members is not None:
                bits = number_bits(len(self.blocks))
                numbers = unpack(self.members[None], bits, self.shape[0])[0]
            # What is kept must serve where gradients are known as well.
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
