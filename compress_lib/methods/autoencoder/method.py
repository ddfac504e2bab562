"""Autoencoder method over a weight's rows: linear (P1), deep (P2) or anything in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import CompressionError
from compress_lib.methods.autoencoder.options import AutoencoderOptions
from compress_lib.methods.autoencoder.presets import LAB, P1, P2
from compress_lib.methods.autoencoder.shape import Shape, parse_widths, solve_shape
from compress_lib.methods.base import Method, OptionValue, Preview, register
from compress_lib.methods.row_importance import FREQUENCY
from compress_lib.models.targets import TABLES
from compress_lib.utils.progress import Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.statistics import Statistics


@register
@dataclass(frozen=True, kw_only=True)
class AutoencoderMethod(AutoencoderOptions, Method):
    """Autoencoder whose latents, one per row, and decoder replace the weight.

    Source: Bałazy et al. 2021, arXiv 2106.08181 (linear, for embeddings; preset P1), and Banaei
    et al. 2023, arXiv 2302.04045 (hidden layers, every family; preset P2).
    """

    name: ClassVar[str] = "autoencoder"
    label: ClassVar[str] = "Autoencoder"
    summary: ClassVar[str] = "Trains an encoder and a decoder with a loss on the direction of rows."
    paper: ClassVar[str] = "Bałazy et al. 2021, Banaei et al. 2023"
    relative_cost: ClassVar[float] = 0.65
    iterative: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, OptionValue]]] = {
        "P1": P1,
        "P2": P2,
        "Lab": LAB,
    }

    @property
    def required_statistics(self) -> frozenset[str]:
        """Statistics for epoch selection, the output loss and the row weights."""
        names = {"perplexity"} if self.select_best_by == "perplexity" else set()
        if self.output:
            names.add("second_moment")
        if self.row_weights != "none":
            names.add("row_counts" if self.row_weights == FREQUENCY else self.row_weights)
        return frozenset(names)

    def check_applies(self, family: str, name: str) -> None:
        """See `Method.check_applies`."""
        super().check_applies(family, name)
        if self.row_weights == FREQUENCY and family not in TABLES:
            raise CompressionError(
                f"row_weights={FREQUENCY} applies only to embeddings and LM heads, but {name} is "
                f"of type {family}; use row_weights=fisher or row_weights=sensitivity."
            )
        if self.output and family == "embedding":
            raise CompressionError(
                f"The output loss applies only to linear layers, but {name} is an embedding; set "
                "output=0."
            )

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: latents, decoder with biases, and norms if stored."""
        solved = self._shape(shape, budget // itemsize, itemsize)
        nbytes = solved.nbytes(itemsize, self.factor_storage)
        return Preview(budget, nbytes, solved.latent, solution=solved)

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.methods.autoencoder.fitting import fit

        return fit(self, weight, preview.solution, statistics, report)

    def _shape(self, size: tuple[int, int], numbers: int, itemsize: int) -> Shape:
        return solve_shape(
            size,
            numbers,
            encoder=parse_widths(self.encoder, "encoder"),
            decoder=parse_widths(self.decoder, "decoder"),
            bias=self.bias,
            norms=self.norms == "stored",
            fill=self.use_full_budget,
            itemsize=itemsize,
            flat=not (parse_widths(self.decoder, "decoder") or self.tanh or self.norms == "stored"),
            storage=self.factor_storage,
        )
