"""Row-wise round-to-nearest quantization: the papers' baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import Method, Preview, option, register
from compress_lib.methods.quantization.base import check_fits
from compress_lib.utils.packed_sizes import grouped_bytes
from compress_lib.utils.progress import Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.statistics import Statistics

MOST_BITS = 8


@register
@dataclass(frozen=True, kw_only=True)
class RowQuantization(Method):
    """Row quantization to 2^bits evenly spaced values between each row's minimum and maximum.

    The paper's code used 2^bits + 1 values, which do not fit into `bits` bits; this uses 2^bits.

    Source: the row-wise quantization that Banaei et al. 2023, arXiv 2302.04045, compare with.
    """

    name: ClassVar[str] = "row_quantization"
    label: ClassVar[str] = "Row quantization"
    summary: ClassVar[str] = "Integer quantization of each row between its minimum and maximum."
    paper: ClassVar[str] = "baseline of Banaei et al. 2023"
    supports_sharing: ClassVar[bool] = False

    bits: int = option(
        0, "Bits", "Bits per code; 0 = as many as fit.", minimum=0, maximum=MOST_BITS
    )

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: the packed codes, and a step and a minimum per row."""
        bits = self._bits(shape, budget, itemsize)
        nbytes = grouped_bytes(shape, bits, 0, 2 * itemsize)
        check_fits(nbytes, budget, bits, shape, itemsize)
        return Preview(budget, nbytes, note=f"{bits} bits", solution=bits)

    def _bits(self, shape: tuple[int, int], budget: int, itemsize: int) -> int:
        """Return the requested bits, otherwise the most that fit, or 1 if none do."""
        most = range(MOST_BITS, 1, -1)
        fits = (b for b in most if grouped_bytes(shape, b, 0, 2 * itemsize) <= budget)
        return self.bits or next(fits, 1)

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.methods.quantization.rounding import quantize

        return quantize(weight, preview.solution)
