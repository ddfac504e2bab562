"""What a compression method is: options, a preview without torch, and one pure function.

Source of the design: a method gets a budget in bytes, so that factorizations, autoencoders and
quantizations can be compared at equal size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from compress_lib.errors import CompressionError, unknown_name
from compress_lib.utils.options import (
    FormerOptions,
    Option,
    OptionValue,
    coerce_options,
    declared_options,
    former_values,
    option,
)
from compress_lib.utils.progress import Report, ignore
from compress_lib.utils.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.rate_distortion import OperatingPoint
    from compress_lib.methods.statistics import Statistics
    from compress_lib.models.targets import Target

# What a method's file needs stands here together.
__all__ = [
    "METHODS",
    "Method",
    "Option",
    "OptionValue",
    "Preview",
    "build_method",
    "option",
    "preset_of",
    "preset_options",
    "register",
]

METHODS: Registry[Method] = Registry("method")
"""Every method by its name; a file in this folder adds itself with `@register`."""

register = METHODS.register


@dataclass(frozen=True)
class Preview:
    """What a method would store, known before it runs.

    Attributes:
        budget: The bytes allowed.
        nbytes: The bytes that a checkpoint will store.
        rank: Of a factorization, or the width of a latent; None where there is neither.
        note: Shown where there is no rank: bits, terms, entries.
        is_upper_bound: Whether `nbytes` is a bound, because what is stored depends on the weight.
        solution: What the method solved for this budget, such as ranks or a layout; `compress`
            reads it instead of solving again.
    """

    budget: int
    nbytes: int
    rank: int | None = None
    note: str = ""
    is_upper_bound: bool = False
    solution: Any = field(default=None, compare=False, repr=False)


class Method(ABC):
    """One way to make a matrix smaller. Subclasses are frozen, keyword-only dataclasses."""

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    relative_cost: ClassVar[float] = 0.1
    """About which share of a whole run compressing takes, for the time left to be told."""
    iterative: ClassVar[bool] = False
    """Whether it learns by steps: too slow to be tried at every size beforehand."""
    families: ClassVar[tuple[str, ...] | None] = None
    """The families it makes sense for; None for all."""
    supports_sharing: ClassVar[bool] = True
    """Whether a stack of matrices has something in common, such as a basis or a decoder."""
    fixed_size: ClassVar[bool] = False
    """Whether its size follows from its options alone, so that keep is only an upper bound."""
    is_control: ClassVar[bool] = False
    """Whether it is there to be beaten, and promises no small error."""
    former_options: ClassVar[FormerOptions] = {}
    """Options of version 0.1.0 that others have replaced; they are still read."""
    presets: ClassVar[Mapping[str, Mapping[str, OptionValue]]] = {}
    """Named settings of options, such as a paper's; what they leave out takes its default."""

    @property
    def required_statistics(self) -> frozenset[str]:
        """Names of the fields of `Statistics` that `compress` reads."""
        return frozenset()

    def required_statistics_for(self, target: Target) -> frozenset[str]:
        """Return what `compress` reads for a target, where it depends on that."""
        return self.required_statistics

    def for_target(self, target: Target) -> Method:
        """Return the method with what it takes from a target, such as the size of a head."""
        return self

    @abstractmethod
    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """Tell what would be stored for a matrix `[rows, cols]`, in microseconds.

        Raises:
            BudgetError: Nothing fits into the budget.
        """

    @abstractmethod
    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """Compress one matrix.

        Args:
            weight: `[rows, cols]` in the precision of the checkpoint; it is not changed.
            preview: What `preview` solved for this shape and the bytes allowed.
            statistics: What calibration text says about this weight; only `needs` is there.
            report: Told about the work; may raise `StoppedError`.

        Returns:
            A matrix whose `nbytes` is at most `preview.budget`, the same for the same arguments.

        Raises:
            CompressionError: The weight or a statistic cannot be used.
        """

    def compress_within(
        self, weight: Tensor, budget: int, statistics: Statistics, report: Report = ignore
    ) -> CompressedMatrix:
        """Compress one matrix to at most `budget` bytes: `preview`, then `compress`.

        Raises:
            BudgetError: Nothing fits into the budget.
            CompressionError: The weight or a statistic cannot be used.
        """
        shape = (weight.shape[0], weight.shape[1])
        preview = self.preview(shape, budget=budget, itemsize=weight.element_size())
        return self.compress(weight, preview, statistics, report)

    def curve(
        self, weight: Tensor, statistics: Statistics, report: Report = ignore
    ) -> list[OperatingPoint]:
        """Return what this method could make of a weight: bytes, with the loss each would cost.

        Args:
            weight: `[rows, cols]` in the precision of the checkpoint.
            statistics: What `required_statistics_for` names, and what tells the curvature.
            report: Told about the work; may raise `StoppedError`.

        Source of the currency: see `curvature`. A method that knows a closed form overrides this;
        otherwise the weight is compressed at several budgets, once for each weight and text.
        """
        from compress_lib.methods.loss_curve import measure_curve

        return measure_curve(self, weight, statistics, report)

    def check_applies(self, family: str, name: str) -> None:
        """Refuse a target that this method makes no sense for, before any work.

        Raises:
            CompressionError: The family is not one of `families`.
        """
        if self.families is not None and family not in self.families:
            raise CompressionError(
                f"{self.name} applies to {' and '.join(self.families)} only, because it "
                f"{self.summary[0].lower()}{self.summary[1:].rstrip('.')}; {name} is "
                f"{family}. Narrow the pattern, or choose another method."
            )

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options in the order in which they are declared."""
        return declared_options(cls)

    def former_values(self) -> dict[str, OptionValue]:
        """Return the options by their names of version 0.1.0; see `options.former_values`."""
        return former_values(self)

    def option_values(self) -> dict[str, OptionValue]:
        """Return what each option is set to."""
        return {option.name: getattr(self, option.name) for option in self.options()}


def is_sized(name: object) -> bool:
    """Tell whether a method's options alone decide how large its results are."""
    return isinstance(name, str) and name in METHODS and METHODS[name].fixed_size


def build_method(name: str, options: Mapping[str, object]) -> Method:
    """Make a method from its name and options, as they come from a form or a command line.

    Raises:
        CompressionError: The method or an option is unknown, or a value is out of range.
    """
    method = METHODS.find(name)
    return method(**coerce_options(method, options))


def preset_options(method: str, preset: str | None) -> Mapping[str, OptionValue]:
    """Return the options that a preset of a method sets; none without a preset.

    Raises:
        CompressionError: The method or the preset is unknown.
    """
    if preset is None:
        return {}
    presets = METHODS.find(method).presets
    known = {name.lower(): options for name, options in presets.items()}
    if preset.lower() not in known:
        if not known:
            raise CompressionError(f"{method} has no presets, so {preset!r} cannot be used.")
        raise unknown_name(f"preset of {method}", preset, presets)
    return known[preset.lower()]


def preset_of(method: str, options: Mapping[str, OptionValue]) -> str | None:
    """Return the preset that options are, if they are one and nothing else."""
    known = METHODS[method].presets if method in METHODS else {}
    for name, preset in known.items():
        if dict(options) == dict(preset):
            return name
    return None
