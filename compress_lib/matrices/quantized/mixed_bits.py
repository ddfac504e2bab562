"""Mixed-precision quantization: bit widths decrease over the columns; one step per column."""

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
from compress_lib.matrices.packing import pack, packed_width, unpack
from compress_lib.matrices.row_decoding import DecodedByRows

Bands = Sequence[tuple[int, int]]
"""`(bits, number of columns)` of each band, from the first column on."""


@register_form
class MixedBitMatrix(DecodedByRows):
    """Mixed-precision matrix: packed codes and a step per coded column; later columns are zero.

    Entry = (code − (2^bits − 1) ÷ 2) · step, a uniform grid centred at zero. `codes` is uint8
    `[rows, bytes]`, band after band, each packed as in `packing`; `steps` is `[coded columns]`.
    """

    name: ClassVar[str] = "graded"

    def __init__(
        self,
        codes: nn.Parameter,
        steps: nn.Parameter,
        shape: tuple[int, int],
        bands: Bands,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(shape, dtype)
        self.codes = codes
        self.steps = steps
        self.bands = [(bits, width) for bits, width in bands]

    @classmethod
    def from_codes(
        cls, codes: Tensor, steps: Tensor, cols: int, bands: Bands, dtype: torch.dtype
    ) -> MixedBitMatrix:
        """Pack codes and round steps to `dtype`.

        Args:
            codes: `[rows, coded columns]`, from 0 to 2^bits − 1 of each column's band.
            steps: `[coded columns]`.
            cols: Columns of the matrix, including the zero columns.
            bands: Bits and widths; the widths sum to the number of coded columns.
            dtype: Checkpoint type.

        Raises:
            CompressionError: A step is not finite or overflows `dtype`.
        """
        shape = (codes.shape[0], cols)
        stored = round_to(steps, dtype)
        check_stored([stored], shape, dtype)
        parts = codes.split([width for _, width in bands], dim=1)
        packed = [pack(part, bits) for part, (bits, _) in zip(parts, bands, strict=True)]
        return cls(freeze(torch.cat(packed, dim=1)), stored, shape, bands, dtype)

    def _decode(self, ids: Tensor) -> Tensor:
        bands = self._read_unscaled(self.codes[ids], self.steps.dtype)
        coded = torch.cat(bands, dim=1) * self.steps
        return nn.functional.pad(coded, (0, self.shape[1] - coded.shape[1]))

    def _project_between(self, x: Tensor, start: int, stop: int) -> Tensor:
        # All rows share the steps, so scale the inputs instead of the decoded rows.
        parts = self._read_unscaled(self.codes[start:stop], x.dtype)
        scaled = x[..., : len(self.steps)] * self.steps.to(x.dtype)
        inputs = scaled.split([width for _, width in self.bands], dim=-1)
        y: Tensor = inputs[0] @ parts[0].T
        for band_x, part in zip(inputs[1:], parts[1:], strict=True):
            y += band_x @ part.T
        return y

    def _read_unscaled(self, codes: Tensor, dtype: torch.dtype) -> list[Tensor]:
        """Return the values of packed rows for steps of 1, band by band."""
        packed = codes.split([packed_width(width, bits) for bits, width in self.bands], 1)
        return [
            unpack(part, bits, width).to(dtype).sub_((2**bits - 1) / 2)
            for part, (bits, width) in zip(packed, self.bands, strict=True)
        ]

    def split_rows(self, sizes: Sequence[int]) -> list[CompressedMatrix]:
        """See `CompressedMatrix.split_rows`: the parts share the steps."""
        return [
            MixedBitMatrix(
                freeze(codes.detach().clone()),
                self.steps,
                (len(codes), self.shape[1]),
                self.bands,
                self.dtype,
            )
            for codes in self.codes.split(list(sizes))
        ]

    @property
    def num_codes(self) -> int:
        """See `CompressedMatrix.num_codes`."""
        return self.shape[0] * sum(width for _, width in self.bands)

    def spec(self) -> dict[str, Any]:
        """See `CompressedMatrix.spec`."""
        return self._base_spec() | {"bands": [list(band) for band in self.bands]}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> MixedBitMatrix:
        """See `CompressedMatrix.from_spec`."""
        (rows, cols), bands = spec["shape"], [(bits, width) for bits, width in spec["bands"]]
        width = sum(packed_width(width, bits) for bits, width in bands)
        codes = empty(rows, width, dtype=torch.uint8)
        steps = empty(sum(width for _, width in bands))
        return cls(codes, steps, (rows, cols), bands, stored_type(spec))
