"""Low-rank factorization base class: two factors of the largest rank that fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from compress_lib.methods.base import Method, Option, OptionValue, Preview, option
from compress_lib.methods.low_rank.storage_sizes import (
    MOST_BITS,
    STORAGES,
    FactorStorage,
    bytes_by_rank,
)
from compress_lib.utils.progress import Event, Report, ignore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.rate_distortion import OperatingPoint
    from compress_lib.methods.statistics import Statistics


STORAGE_OPTIONS = ("storage", "factor_bits", "factor_group_size")
"""Options that determine how factors are stored, not their values."""

FINE_BITS = 8
"""From this bit width on, rounding loss of the factors is negligible next to truncation loss."""


class Factors(NamedTuple):
    """Factors of a weight, with an optional bias.

    Attributes:
        left: `[rows, rank]`.
        right: `[rank, cols]`.
        bias: `[rows]`, added to the layer's outputs, or None.
        mean: `[cols]`, the input for which the bias makes the outputs exact, or None.
    """

    left: Tensor
    right: Tensor
    bias: Tensor | None = None
    mean: Tensor | None = None


def bits_option(of: str) -> Any:
    """Declare the option for the bits per stored entry."""
    return option(
        0,
        "Factor bits",
        f"Bits per entry of {of}: 8 is nearly lossless, 2–7 are lossy; 0 = the checkpoint's "
        "data type.",
        minimum=0,
        maximum=MOST_BITS,
    )


@dataclass(frozen=True, kw_only=True)
class LowRankMethod(Method):
    """Low-rank factorization into left `[rows, rank]` and right `[rank, cols]`.

    Most subclasses implement only `factors`. A subclass that also stores a bias implements `solve`,
    and `fixed_numbers` to include the bias in the budget.
    """

    storage: str = option(
        STORAGES[0],
        "Storage",
        "Two factors, or pivoted factors, which allow a higher rank for the same bytes.",
        choices=STORAGES,
    )
    factor_bits: int = bits_option("the factors")
    factor_group_size: int = option(
        0,
        "Factor group size",
        "Columns of a factor that share a scale; 0 = whole rows at 8 bits, 64 columns below 8 "
        "bits.",
        minimum=0,
        formerly="factor_group",
    )

    ranks_are_nested: ClassVar[bool] = False
    """Whether the factors of any rank are prefixes of those of every larger rank."""

    def __post_init__(self) -> None:
        # Constructing it validates the storage options.
        assert self.factor_storage

    @property
    def factor_storage(self) -> FactorStorage:
        """The storage format of the factors."""
        return FactorStorage(self.storage, self.factor_bits, self.factor_group_size)

    @property
    def few_bits(self) -> bool:
        """Whether factors are rounded so coarsely that the rounding loss matters."""
        return 0 < self.factor_bits < FINE_BITS

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """See `Method.options`: the subclass's options precede the inherited ones."""
        inherited = set(STORAGE_OPTIONS)
        return tuple(sorted(super().options(), key=lambda declared: declared.name in inherited))

    def own_options(self) -> dict[str, OptionValue]:
        """Return the options that determine the factors, by their names of version 0.1.0.

        Cache keys are built from them.
        """
        declared = [one for one in self.options() if one.name in STORAGE_OPTIONS]
        storage = {one.formerly or one.name for one in declared}
        return {name: v for name, v in self.former_values().items() if name not in storage}

    def factors(self, weight: Tensor, rank: int, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """Return left `[rows, rank]` and right `[rank, cols]`, whose product approximates W.

        Args:
            weight: W `[rows, cols]`.
            rank: At most min(rows, cols).
            statistics: The fields named by `required_statistics_for`.
        """
        raise NotImplementedError

    def solve(self, weight: Tensor, rank: int, statistics: Statistics) -> Factors:
        """Return `factors` and everything else to be stored; see `factors`."""
        return Factors(*self.factors(weight, rank, statistics))

    def fixed_numbers(self, shape: tuple[int, int]) -> int:
        """Return how many numbers are stored besides the factors, at any rank."""
        return 0

    def rank_bytes(self, shape: tuple[int, int], rank: int, itemsize: int) -> int:
        """Return the total bytes stored at a rank.

        Args:
            shape: `[rows, cols]`.
            rank: At most min(rows, cols).
            itemsize: Bytes per number in the checkpoint.
        """
        fixed = self.fixed_numbers(shape) * itemsize
        return fixed + self.factor_storage.nbytes(shape, rank, itemsize)

    def curve(
        self, weight: Tensor, statistics: Statistics, report: Report = ignore
    ) -> list[OperatingPoint]:
        """See `Method.curve`: nested factors need a single decomposition for all ranks."""
        import torch

        from compress_lib.methods.loss_curve import cache_key, measure_curve, nested_losses

        if not self.ranks_are_nested or self.few_bits:
            return measure_curve(self, weight, statistics, report)

        def compute() -> dict[str, Tensor]:
            report(Event(0.0, f"{self.label}: estimating the loss at every rank"))
            left, right = self.factors(weight, min(weight.shape), statistics)
            return {"losses": torch.tensor(nested_losses(left, right, statistics)).double()}

        name = cache_key("nested", self.name, self.own_options(), statistics)
        losses = statistics.memo(name, compute)["losses"].tolist()
        return self.points(losses, (weight.shape[0], weight.shape[1]), weight.element_size())

    def points(
        self, losses: Sequence[float], shape: tuple[int, int], itemsize: int
    ) -> list[OperatingPoint]:
        """Return the operating points of all ranks.

        Args:
            losses: Estimated loss increase at every rank, from 1 on.
            shape: `[rows, cols]`.
            itemsize: Bytes per number in the checkpoint.
        """
        from compress_lib.methods.rate_distortion import OperatingPoint

        fixed = self.fixed_numbers(shape) * itemsize
        sizes = bytes_by_rank(self.factor_storage, shape, itemsize)
        # `preview` never returns ranks that are aligned to another rank.
        align_rank = self.factor_storage.align_rank
        ranked = enumerate(zip(sizes, losses, strict=True), start=1)
        return [
            OperatingPoint(fixed + size, loss)
            for rank, (size, loss) in ranked
            if align_rank(rank) == rank
        ]

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`."""
        fixed = self.fixed_numbers(shape)
        rank = self.factor_storage.largest_rank(shape, budget, itemsize, fixed)
        return Preview(budget, self.rank_bytes(shape, rank, itemsize), rank)

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.methods.low_rank.encoding import encode

        assert preview.rank is not None
        left, right, bias, mean = self.solve(weight, preview.rank, statistics)
        matrix = encode(left, right, weight.dtype, self.factor_storage, bias=bias)
        if bias is not None and mean is not None and not self.factor_storage.plain:
            _recompute_bias(matrix, weight, mean)
        return matrix


def _recompute_bias(matrix: CompressedMatrix, weight: Tensor, mean: Tensor) -> None:
    """Recompute the bias, because rounding to few bits changes the mean output."""
    from compress_lib.matrices.base import round_to

    mean64 = mean.double()
    mean_error = weight.double() @ mean64 - matrix.to_dense().double() @ mean64
    matrix.bias = round_to(mean_error, matrix.dtype)
