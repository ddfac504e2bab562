"""What quantizing methods have in common whose size follows from their options alone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from compress_lib.errors import BudgetError
from compress_lib.methods.base import Method, Preview, option
from compress_lib.utils.formatting import format_keep
from compress_lib.utils.packed_sizes import grouped_bytes
from compress_lib.utils.progress import Report, ignore

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.quantization.rounding import QuantGrid
    from compress_lib.methods.statistics import Statistics
    from compress_lib.models.targets import Target

FEEDBACK = "gptq"
REFINE_HELP = (
    "none takes a group's ends; hqq and mse look for a range of less error; gptq (Frantar et al. "
    "2022) also lets columns make up for the errors of earlier ones, by calibration text."
)


def refine_option(default: str, choices: tuple[str, ...] = ("none", "hqq", "mse")) -> str:
    """Declare the option `refine` with a default that suits the bits."""
    found: str = option(default, "Refinement", REFINE_HELP, choices=(*choices, FEEDBACK))
    return found


def group_option(default: int) -> int:
    """Declare the option `group` with a default that suits the bits."""
    text = "Neighbouring columns that share a scale; 0 takes the whole row."
    found: int = option(default, "Group", text, minimum=0)
    return found


@dataclass(frozen=True, kw_only=True)
class GroupQuantization(Method):
    """Rounds entries to 2^bits values that a group of columns shares; a subclass says which."""

    bits: ClassVar[int]
    supports_sharing: ClassVar[bool] = False
    fixed_size: ClassVar[bool] = True

    group: int = group_option(64)
    refine: str = refine_option("mse")

    def for_target(self, target: Target) -> Self:
        """See `Method.for_target`: a table that is only looked up has no inputs to listen to."""
        deaf = self.refine == FEEDBACK and target.only_looked_up
        return replace(self, refine="mse") if deaf else self

    @abstractmethod
    def levels(self) -> QuantGrid:
        """Return which values codes may stand for."""

    @property
    def per_group(self) -> int:
        """How many numbers a group stores."""
        return 1

    @property
    def required_statistics(self) -> frozenset[str]:
        """What a layer's inputs are like, for the feedback of errors."""
        return frozenset({"second_moment"} if self.refine == FEEDBACK else ())

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: packed codes, and what groups share."""
        nbytes = grouped_bytes(shape, self.bits, self.group, self.per_group * itemsize)
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

        if self.refine != FEEDBACK:
            return quantize_to(self.levels(), weight, self.group)
        moment = statistics.require("second_moment")
        return quantize_gptq(self.levels(), weight, moment, self.group)


@dataclass(frozen=True, kw_only=True)
class UniformQuantization(GroupQuantization):
    """Values are evenly spaced."""

    zero: str = option(
        "minimum",
        "Zero point",
        "minimum stores each group's smallest value; none lays its values around zero.",
        choices=("minimum", "none"),
    )

    @property
    def per_group(self) -> int:
        """A step, and perhaps a minimum."""
        return 2 if self.zero == "minimum" else 1

    def levels(self) -> QuantGrid:
        """See `GroupQuantization.levels`."""
        from compress_lib.methods.quantization.rounding import UniformLevels

        refine = "mse" if self.refine == FEEDBACK else self.refine
        return UniformLevels(self.bits, self.zero == "minimum", refine)


def check_fits(nbytes: int, budget: int, bits: int, shape: tuple[int, int], itemsize: int) -> None:
    """Refuse a budget that codes of so many bits do not fit into.

    Raises:
        BudgetError: They take more bytes.
    """
    if nbytes > budget:
        rows, cols = shape
        raise BudgetError(
            f"{budget:,} bytes are too few for {bits}-bit codes of a {rows} × {cols} matrix: it "
            f"needs at least {nbytes:,} bytes, a keep of "
            f"{format_keep(nbytes / (rows * cols * itemsize))}."
        )
