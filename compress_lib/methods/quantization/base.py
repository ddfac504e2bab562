"""Group quantization base classes: the size follows from the options alone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from compress_lib.errors import BudgetError
from compress_lib.methods.base import Method, Preview, option
from compress_lib.utils.formatting import format_keep
from compress_lib.utils.options import FormerOptions, OptionValue
from compress_lib.utils.packed_sizes import grouped_bytes
from compress_lib.utils.progress import Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.quantization.rounding import QuantGrid
    from compress_lib.methods.statistics import Statistics
    from compress_lib.models.targets import Target

RTN, GPTQ = ALGORITHMS = ("rtn", "gptq")
"""Round to nearest, or compensate rounding errors in later columns."""

MINMAX, MSE, HQQ = "minmax", "mse", "hqq"


def algorithm_option() -> str:
    """Declare the option `algorithm`."""
    text = (
        "rtn rounds to nearest; gptq (Frantar et al. 2022) compensates rounding errors in later "
        "columns, using calibration text."
    )
    declared: str = option(RTN, "Algorithm", text, choices=ALGORITHMS)
    return declared


def range_option(default: str, choices: tuple[str, ...] = (MINMAX, MSE, HQQ)) -> str:
    """Declare the option `range`.

    Args:
        default: One of `choices`; it depends on the bit width.
        choices: The ranges offered.
    """
    text = {
        MINMAX: "minmax spans a group's smallest to largest value",
        MSE: "mse searches for the least squared error",
        HQQ: "hqq minimises a robust error (Badri and Shaji 2023)",
    }
    help_text = "; ".join(text[name] for name in choices) + "."
    declared: str = option(default, "Range", help_text, choices=choices)
    return declared


def group_size_option(default: int) -> int:
    """Declare the option `group_size`, whose default depends on the bit width."""
    text = "Columns that share a scale; 0 = the whole row."
    declared: int = option(default, "Group size", text, minimum=0, formerly="group")
    return declared


def former_refinements(*ranges: str) -> FormerOptions:
    """Return today's options for each value of `refine`, an option of version 0.1.0."""
    values: dict[OptionValue, dict[str, OptionValue]] = {
        "none" if name == MINMAX else name: {"algorithm": RTN, "range": name} for name in ranges
    }
    return {"refine": {**values, GPTQ: {"algorithm": GPTQ, "range": MSE}}}


@dataclass(frozen=True, kw_only=True)
class GroupQuantization(Method):
    """Quantization of each group of columns to its own 2^bits levels.

    Subclasses define the levels.
    """

    bits: ClassVar[int]
    supports_sharing: ClassVar[bool] = False
    fixed_size: ClassVar[bool] = True

    former_options: ClassVar[FormerOptions] = former_refinements(MINMAX, HQQ, MSE)

    group_size: int = group_size_option(64)
    algorithm: str = algorithm_option()
    range: str = range_option(MSE)

    def for_target(self, target: Target) -> Self:
        """See `Method.for_target`: an untied embedding has no inputs, so GPTQ falls back to RTN."""
        has_no_inputs = self.algorithm == GPTQ and target.only_looked_up
        return replace(self, algorithm=RTN) if has_no_inputs else self

    @abstractmethod
    def levels(self) -> QuantGrid:
        """Return the grid of values that codes represent."""

    @property
    def per_group(self) -> int:
        """How many numbers are stored per group."""
        return 1

    @property
    def required_statistics(self) -> frozenset[str]:
        """The second moment of the layer's inputs, for GPTQ only."""
        return frozenset({"second_moment"} if self.algorithm == GPTQ else ())

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: the packed codes and the scales of each group."""
        nbytes = grouped_bytes(shape, self.bits, self.group_size, self.per_group * itemsize)
        check_fits(nbytes, budget, self.bits, shape, itemsize)
        return Preview(budget, nbytes, note=f"{self.bits} bits")

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.methods.quantization.gptq import quantize_gptq
        from compress_lib.methods.quantization.rounding import quantize_to

        if self.algorithm != GPTQ:
            return quantize_to(self.levels(), weight, self.group_size)
        moment = statistics.require("second_moment")
        return quantize_gptq(self.levels(), weight, moment, self.group_size)


@dataclass(frozen=True, kw_only=True)
class UniformQuantization(GroupQuantization):
    """Group quantization to evenly spaced values."""

    former_options: ClassVar[FormerOptions] = {
        **GroupQuantization.former_options,
        "zero": {"minimum": {"symmetric": False}, "none": {"symmetric": True}},
    }

    symmetric: bool = option(
        False, "Symmetric", "Store no zero point; levels are symmetric around 0."
    )

    @property
    def per_group(self) -> int:
        """A step and, unless `symmetric`, a minimum."""
        return 1 if self.symmetric else 2

    def levels(self) -> QuantGrid:
        """See `GroupQuantization.levels`."""
        from compress_lib.methods.quantization.rounding import UniformGrid

        return UniformGrid(self.bits, not self.symmetric, self.range)


def check_fits(nbytes: int, budget: int, bits: int, shape: tuple[int, int], itemsize: int) -> None:
    """Reject a budget that is too small for a bit width.

    Args:
        nbytes: Bytes needed.
        budget: Bytes allowed.
        bits: Bits per code, for the message.
        shape: `[rows, cols]`, for the message.
        itemsize: Bytes per number in the checkpoint.

    Raises:
        BudgetError: The codes need more bytes than allowed.
    """
    if nbytes > budget:
        rows, cols = shape
        raise BudgetError(
            f"{budget:,} bytes are too few for {bits}-bit codes of a {rows} × {cols} matrix: it "
            f"needs at least {nbytes:,} bytes, a keep of "
            f"{format_keep(nbytes / (rows * cols * itemsize))}."
        )
