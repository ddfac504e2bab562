"""Round-to-nearest quantization of whole rows: the papers' baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import BudgetError
from compress_lib.formatting import format_keep
from compress_lib.methods.base import Method, Preview, option, register
from compress_lib.progress import Progress, no_progress

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.calibration import Statistics
    from compress_lib.matrices import CompressedMatrix

MOST_BITS = 8


@register
@dataclass(frozen=True, kw_only=True)
class RowQuantization(Method):
    """Rounds to one of 2^bits evenly spaced values from a row's smallest to its largest entry.

    The paper's code used 2^bits + 1 values, which do not fit into `bits` bits; here it is 2^bits.

    Source: the row-wise quantization that Banaei et al. 2023, arXiv 2302.04045, compare with.
    """

    name: ClassVar[str] = "row_quantization"
    label: ClassVar[str] = "Row quantization"
    summary: ClassVar[str] = "Rounds each row to 2^bits values between its minimum and maximum."
    paper: ClassVar[str] = "baseline of Banaei et al. 2023"
    shares: ClassVar[bool] = False

    bits: int = option(
        0, "Bits", "Of a code; 0 takes the most that fit.", minimum=0, maximum=MOST_BITS
    )

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: packed codes, and a step and a minimum for every row."""
        rows, cols = shape
        fixed, bit = 2 * rows * itemsize, rows * -(-cols // 8)
        bits = self.bits or min(MOST_BITS, (budget - fixed) // bit)
        nbytes = fixed + bit * max(bits, 1)
        if bits < 1 or nbytes > budget:
            raise BudgetError(
                f"{budget:,} bytes are too few for {max(bits, 1)}-bit codes of a {rows} × {cols} "
                f"matrix: it needs at least {nbytes:,} bytes, a keep of "
                f"{format_keep(nbytes / (rows * cols * itemsize))}."
            )
        return Preview(rank=None, nbytes=nbytes, note=f"{bits} bits")

    def compress(
        self,
        weight: Tensor,
        *,
        budget: int,
        statistics: Statistics,
        progress: Progress = no_progress,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.quantization import quantize

        rows, cols = weight.shape
        fixed = 2 * rows * weight.element_size()
        seen = self.preview((rows, cols), budget=budget, itemsize=weight.element_size())
        return quantize(weight, (seen.nbytes - fixed) // (rows * -(-cols // 8)))
