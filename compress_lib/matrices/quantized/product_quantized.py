"""Product quantization: each code selects a codebook vector for several adjacent columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from compress_lib.matrices.base import (
    CompressedMatrix,
    check_stored,
    empty,
    freeze,
    register_form,
    round_to,
    stored_type,
)
from compress_lib.matrices.packing import BITS_IN_BYTE, pack, unpack
from compress_lib.matrices.row_decoding import DecodedByRows
from compress_lib.utils.packed_sizes import code_bytes


@register_form
class ProductCodesMatrix(DecodedByRows):
    """Product-quantized matrix: codes, codebooks, and a scale per row.

    Columns are split into `parts` subvectors whose widths differ by at most one. A row is its
    scale times the sum over stages of the concatenated codebook vectors selected by its codes.
    `codes` is uint8 `[rows, stages · bytes]`, each stage packed as in `packing`, but 8-bit codes
    are not padded; `codebooks` is `[2^bits, stages · cols]`, each row holding one vector per part;
    `scales` is `[rows]`.
    """

    name: ClassVar[str] = "product_codes"

    def __init__(
        self,
        tensors: Sequence[nn.Parameter],
        parts: int,
        bits: int,
        dtype: torch.dtype,
    ) -> None:
        codes, codebooks, scales = tensors
        stages = codes.shape[1] // code_bytes(parts, bits)
        super().__init__((len(scales), codebooks.shape[1] // stages), dtype)
        self.codes, self.codebooks, self.scales = codes, codebooks, scales
        self.parts = parts
        self.bits = bits
        self.stages = stages

    @classmethod
    def from_codes(
        cls, codes: Tensor, codebooks: Tensor, scales: Tensor, bits: int, dtype: torch.dtype
    ) -> ProductCodesMatrix:
        """Pack codes and round codebooks and scales to `dtype`.

        Args:
            codes: `[stages, rows, parts]`, from 0 to 2^bits − 1.
            codebooks: `[2^bits, stages · cols]`.
            scales: `[rows]`.
            bits: Bits per code, 1 to 8.
            dtype: Checkpoint type.

        Raises:
            CompressionError: A codebook or scale is not finite or overflows `dtype`.
        """
        stored = [round_to(tensor, dtype) for tensor in (codebooks, scales)]
        check_stored(stored, (len(scales), codebooks.shape[1] // len(codes)), dtype)
        whole_bytes = bits == BITS_IN_BYTE
        stages = codes.to(torch.uint8)
        packed = torch.cat([stage if whole_bytes else pack(stage, bits) for stage in stages], dim=1)
        return cls([freeze(packed), *stored], codes.shape[2], bits, dtype)

    def _decode(self, ids: Tensor) -> Tensor:
        cols = self.shape[1]
        part_of = part_numbers(cols, self.parts, ids.device)
        # Looking up vectors is several times faster than looking up single entries, but requires
        # equal widths, so narrower parts are padded.
        widest = -(-cols // self.parts)
        within = torch.arange(cols, device=ids.device)
        within = within - torch.searchsorted(part_of, part_of)
        starts = torch.arange(self.parts, device=ids.device) * 2**self.bits
        decoded = self.codebooks.new_zeros(len(ids), self.parts, widest)
        stages = self.codes[ids].chunk(self.stages, dim=1)
        for packed, books in zip(stages, self.codebooks.split(cols, dim=1), strict=True):
            vectors = books.new_zeros(self.parts, widest, 2**self.bits)
            vectors[part_of, within] = books.T
            numbers = unpack(packed, self.bits, self.parts) + starts
            decoded += nn.functional.embedding(numbers, vectors.transpose(1, 2).flatten(0, 1))
        rows = decoded.flatten(1)
        if cols % self.parts:
            rows = rows[:, part_of * widest + within]
        return rows * self.scales[ids, None]

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share the codebooks."""
        split = zip(self.codes.split(list(sizes)), self.scales.split(list(sizes)), strict=True)
        return [
            ProductCodesMatrix(
                [freeze(codes.detach().clone()), self.codebooks, freeze(scales.detach().clone())],
                self.parts,
                self.bits,
                self.dtype,
            )
            for codes, scales in split
        ]

    @property
    def num_codes(self) -> int:
        """See `CompressedMatrix.num_codes`."""
        return self.shape[0] * self.parts * self.stages

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"parts": self.parts, "bits": self.bits, "stages": self.stages}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> ProductCodesMatrix:
        """See `CompressedMatrix.from_spec`."""
        (rows, cols), parts, bits = spec["shape"], spec["parts"], spec["bits"]
        codes = empty(rows, spec["stages"] * code_bytes(parts, bits), dtype=torch.uint8)
        codebooks = empty(2**bits, spec["stages"] * cols)
        return cls([codes, codebooks, empty(rows)], parts, bits, stored_type(spec))


def part_numbers(cols: int, parts: int, device: torch.device) -> Tensor:
    """Return the part index of each column, `[cols]`; part widths differ by at most one.

    Args:
        cols: Number of columns.
        parts: Number of parts.
        device: Device of the result.
    """
    return torch.arange(cols, device=device) * parts // cols
