"""Compression method interface: options, a torch-free size preview and one pure function.

A method receives a budget in bytes, so that factorizations, autoencoders and quantizers can be
compared at equal size.
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

# Re-exported so that a method's module needs a single import.
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
"""All methods by name; each method's module registers it with `@register`."""

register = METHODS.register


@dataclass(frozen=True)
class Preview:
    """Predicted result of a method, computed before it runs.

    Attributes:
        budget: The bytes allowed.
        nbytes: The bytes that a checkpoint will store.
        rank: The rank of a factorization or the latent width of an autoencoder, otherwise None.
        note: Shown in place of a rank: bits, terms or entries.
        is_upper_bound: Whether `nbytes` is an upper bound because the stored size depends on the
            weight.
        solution: The parameters chosen for this budget, such as ranks or a layout; `compress`
            reuses them instead of solving again.
    """

    budget: int
    nbytes: int
    rank: int | None = None
    note: str = ""
    is_upper_bound: bool = False
    solution: Any = field(default=None, compare=False, repr=False)


class Method(ABC):
    """Compression method for one weight matrix; subclasses are frozen, keyword-only dataclasses."""

    name: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    relative_cost: ClassVar[float] = 0.1
    """Approximate share of a run's time spent compressing, for estimating the time left."""
    iterative: ClassVar[bool] = False
    """Whether it trains in steps, which is too slow to try at every size in advance."""
    families: ClassVar[tuple[str, ...] | None] = None
    """The families it applies to; None for all."""
    supports_sharing: ClassVar[bool] = True
    """Whether stacked matrices can share a component, such as a basis or a decoder."""
    fixed_size: ClassVar[bool] = False
    """Whether the options alone determine the size, so that `keep` is only an upper bound."""
    is_control: ClassVar[bool] = False
    """Whether it is a control for comparison that makes no claim to a small error."""
    former_options: ClassVar[FormerOptions] = {}
    """Options of version 0.1.0 that have been replaced; they are still read."""
    presets: ClassVar[Mapping[str, Mapping[str, OptionValue]]] = {}
    """Named option settings, such as a paper's; omitted options take their defaults."""

    @property
    def required_statistics(self) -> frozenset[str]:
        """Names of the fields of `Statistics` that `compress` reads."""
        return frozenset()

    def required_statistics_for(self, target: Target) -> frozenset[str]:
        """Return the fields of `Statistics` that `compress` reads for this target."""
        return self.required_statistics

    def for_target(self, target: Target) -> Method:
        """Return the method adapted to a target, for example to its attention head size."""
        return self

    @abstractmethod
    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """Predict the result for a matrix `[rows, cols]` within microseconds.

        Args:
            shape: `[rows, cols]`.
            budget: Bytes allowed.
            itemsize: Bytes per number in the checkpoint.

        Raises:
            BudgetError: The smallest result exceeds the budget.
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
            weight: `[rows, cols]` in the checkpoint's dtype; it is not modified.
            preview: The result of `preview` for this shape and budget.
            statistics: Calibration statistics of this weight; only the fields named by
                `required_statistics_for` are present.
            report: Progress callback; may raise `StoppedError`.

        Returns:
            A matrix whose `nbytes` is at most `preview.budget`; deterministic given the arguments.

        Raises:
            CompressionError: The weight or a statistic is unusable.
        """

    def compress_within(
        self, weight: Tensor, budget: int, statistics: Statistics, report: Report = ignore
    ) -> CompressedMatrix:
        """Compress one matrix to at most `budget` bytes: `preview`, then `compress`.

        Args:
            weight: `[rows, cols]` in the checkpoint's dtype.
            budget: Bytes allowed.
            statistics: See `compress`.
            report: Progress callback; may raise `StoppedError`.

        Raises:
            BudgetError: The smallest result exceeds the budget.
            CompressionError: The weight or a statistic is unusable.
        """
        shape = (weight.shape[0], weight.shape[1])
        preview = self.preview(shape, budget=budget, itemsize=weight.element_size())
        return self.compress(weight, preview, statistics, report)

    def curve(
        self, weight: Tensor, statistics: Statistics, report: Report = ignore
    ) -> list[OperatingPoint]:
        """Return the rate-distortion curve of a weight: bytes and estimated loss increase.

        Methods with a closed form override this; by default the weight is compressed at several
        budgets, and the result is cached per weight and calibration text. See `curvature` for the
        loss estimate.

        Args:
            weight: `[rows, cols]` in the checkpoint's dtype.
            statistics: The fields named by `required_statistics_for` and by `curvature_needs`.
            report: Progress callback; may raise `StoppedError`.
        """
        from compress_lib.methods.loss_curve import measure_curve

        return measure_curve(self, weight, statistics, report)

    def check_applies(self, family: str, name: str) -> None:
        """Reject a target that this method does not apply to, before any work is done.

        Args:
            family: The target's family.
            name: The target's name, for the message.

        Raises:
            CompressionError: The family is not one of `families`.
        """
        if self.families is not None and family not in self.families:
            raise CompressionError(
                f"{self.name} applies to {' and '.join(self.families)} only, but {name} is "
                f"{family}. {self.summary} Narrow the pattern or choose another method."
            )

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options in the order of their declaration."""
        return declared_options(cls)

    def former_values(self) -> dict[str, OptionValue]:
        """Return the option values by their names of version 0.1.0; see `options.former_values`."""
        return former_values(self)

    def option_values(self) -> dict[str, OptionValue]:
        """Return the value of each option by name."""
        return {option.name: getattr(self, option.name) for option in self.options()}


def is_sized(name: object) -> bool:
    """Return whether a method's options alone determine the size of its results."""
    return isinstance(name, str) and name in METHODS and METHODS[name].fixed_size


def build_method(name: str, options: Mapping[str, object]) -> Method:
    """Build a method from its name and options, as given by a form or a command line.

    Args:
        name: Registry name.
        options: Values by option name, not yet converted to their types.

    Raises:
        CompressionError: The method or an option is unknown, or a value is out of range.
    """
    method = METHODS.find(name)
    return method(**coerce_options(method, options))


def preset_options(method: str, preset: str | None) -> Mapping[str, OptionValue]:
    """Return the options that a preset sets; empty without a preset.

    Args:
        method: Registry name.
        preset: One of the method's presets, in any case, or None.

    Raises:
        CompressionError: The method or the preset is unknown.
    """
    if preset is None:
        return {}
    presets = METHODS.find(method).presets
    by_name = {name.lower(): options for name, options in presets.items()}
    if preset.lower() not in by_name:
        if not by_name:
            raise CompressionError(f"{method} has no presets, so {preset!r} cannot be used.")
        raise unknown_name(f"preset of {method}", preset, presets)
    return by_name[preset.lower()]


def preset_of(method: str, options: Mapping[str, OptionValue]) -> str | None:
    """Return the name of the preset whose options are exactly these, or None.

    Args:
        method: Registry name.
        options: Values by option name.
    """
    presets = METHODS[method].presets if method in METHODS else {}
    for name, preset in presets.items():
        if dict(options) == dict(preset):
            return name
    return None
