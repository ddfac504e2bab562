"""Product quantization: one code per subvector of a row, with learned codebooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import Preview, option, register
from compress_lib.methods.token_tables.base import TokenTableMethod, too_few_bytes
from compress_lib.utils.packed_sizes import code_bytes
from compress_lib.utils.progress import Event, Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.statistics import Statistics

SHARE = 5
"""A basis, or the codebooks, may each take at most 1/5 of the budget."""

MOST_BITS = 8
"""Maximum bits per code."""


@dataclass(frozen=True)
class CodeLayout:
    """Storage layout of a product quantization.

    Attributes:
        parts: Codes per row and stage.
        bits: Bits per code.
        stages: Residual stages.
        rotated: Whether a basis is stored.
        nbytes: Total bytes.
    """

    parts: int
    bits: int
    stages: int
    rotated: bool
    nbytes: int


@register
@dataclass(frozen=True, kw_only=True)
class ProductQuantization(TokenTableMethod):
    """Product quantization of rows in coordinates in which all errors cost the same.

    Each row is cut into subvectors, and each subvector is replaced by the nearest of 2^bits
    codebook vectors. Codebooks quantize directions; the length of a row is stored as a separate
    scale in the checkpoint's type. Codebooks are learned by k-means on rows sampled by
    importance. Later stages quantize the residual of earlier ones.

    Source: Jégou et al. 2011, doi:10.1109/TPAMI.2010.57; parts of equal volume as in Ge et al.
    2013 (OPQ), doi:10.1109/CVPR.2013.379; residual stages as in Chen et al. 2010,
    doi:10.3390/s101211259.
    """

    name: ClassVar[str] = "product_quantization"
    label: ClassVar[str] = "Product quantization"
    summary: ClassVar[str] = (
        "Replaces subvectors of a row by the nearest of 2^bits codebook vectors."
    )
    paper: ClassVar[str] = "Jégou et al. 2011, Ge et al. 2013 (OPQ)"

    subvector_size: int = option(
        0,
        "Subvector size",
        "Approximate number of columns per code; 0 = as few as the budget allows.",
        minimum=0,
        formerly="sub",
    )
    bits: int = option(
        0,
        "Bits",
        "Bits per code; 0 = automatic (8 for large matrices).",
        minimum=0,
        maximum=MOST_BITS,
    )
    stages: int = option(
        1,
        "Stages",
        "Residual stages: each quantizes the error of the previous ones.",
        minimum=1,
        maximum=8,
    )
    iterations: int = option(12, "Iterations", "k-means iterations.", minimum=1, maximum=1000)
    sample: int = option(
        16384,
        "Sample",
        "Rows that k-means is fitted on, sampled by importance.",
        minimum=256,
        maximum=2**24,
    )
    seed: int = option(0, "Seed", "Seed of the random sample.", minimum=0, maximum=2**31 - 1)

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: codes, codebooks, scales and, if it pays off, a basis."""
        layout = self._layout(shape, budget, itemsize)
        codes = f"{layout.stages} × {layout.parts}" if layout.stages > 1 else f"{layout.parts}"
        note = f"{codes} codes of {layout.bits} bits per row"
        return Preview(budget, layout.nbytes, note=note, solution=layout)

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.matrices.quantized.product_quantized import ProductCodesMatrix
        from compress_lib.matrices.rotated import RotatedMatrix
        from compress_lib.methods.token_tables.codebooks import Coding, balanced_order

        layout: CodeLayout = preview.solution
        coordinates = self.coordinates(weight, statistics)
        if layout.rotated:
            order = balanced_order(coordinates.variance, layout.parts)
            values = coordinates.coefficients[:, order] * coordinates.variance[order].sqrt().float()
        else:
            values = weight.float()
        coding = Coding(layout.parts, layout.bits, self.iterations, self.sample, self.seed)
        codes, codebooks, scales = coding.encode(
            values, coordinates.importance.float(), layout.stages, weight.dtype, report
        )
        matrix = ProductCodesMatrix.from_codes(codes, codebooks, scales, layout.bits, weight.dtype)
        if not layout.rotated:
            return matrix
        report(Event(0.95, "Product quantization: fitting the basis"))
        before = coordinates.basis[order]
        return RotatedMatrix.of(matrix, coordinates.refit(matrix.to_dense(), weight, before))

    def _layout(self, shape: tuple[int, int], budget: int, itemsize: int) -> CodeLayout:
        """Return the best layout that fits the budget.

        Raises:
            BudgetError: Not even the fewest codes fit.
        """
        rows, cols = shape
        least = 0
        for rotated, bits in self._choices(cols, budget, itemsize):
            fixed = (rows + 2**bits * self.stages * cols) * itemsize
            fixed += cols * cols * itemsize if rotated else 0
            bytes_per_row = (budget - fixed) // (rows * self.stages)
            # Codes below 8 bits are packed in groups of eight, which take `bits` bytes.
            most = min(cols, bytes_per_row if bits == MOST_BITS else 8 * (bytes_per_row // bits))
            fewest = max(1, round(cols / self.subvector_size)) if self.subvector_size else 1
            least = fixed + rows * self.stages * code_bytes(fewest, bits)
            if least <= budget:
                parts = fewest if self.subvector_size else most
                nbytes = fixed + rows * self.stages * code_bytes(parts, bits)
                return CodeLayout(parts, bits, self.stages, rotated, nbytes)
        raise too_few_bytes(budget, least, shape, itemsize)

    def _choices(self, cols: int, budget: int, itemsize: int) -> Iterator[tuple[bool, int]]:
        """Yield candidate pairs of basis stored or not and bits per code, the preferred first."""
        basis_fits = cols * cols * itemsize * SHARE <= budget
        for rotated in (True, False) if basis_fits else (False,):
            for bits in (self.bits,) if self.bits else range(MOST_BITS, 0, -1):
                shared = 2**bits * self.stages * cols * itemsize
                if self.bits or bits == 1 or shared * SHARE <= budget:
                    yield rotated, bits
