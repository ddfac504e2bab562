"""The best of several methods for each weight, by the loss that each is estimated to cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.methods.base import Method, OptionValue, Preview, build_method, option, register
from compress_lib.methods.statistics import LAYER_CURVATURE, curvature_needs
from compress_lib.utils.progress import Report, ignore, subrange

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix
    from compress_lib.methods.rate_distortion import OperatingPoint
    from compress_lib.methods.statistics import Statistics
    from compress_lib.models.targets import Target

SEPARATOR = ","
NUMBER = re.compile(r"[\d.]+")
CANDIDATES = (
    "two_sided_svd storage=pivoted factor_bits=8, int8, int4 algorithm=gptq, "
    "int3 algorithm=gptq, tiered"
)


@register
@dataclass(frozen=True, kw_only=True)
class Mixed(Method):
    """Compresses by each candidate at several sizes, and takes what costs least within a budget.

    The currency is the estimated growth of the loss, ½ tr(G Δ C Δᵀ) of an error Δ, which compares
    a factorization with a rounding. Together with allocation=automatic, method and bytes of every
    target are one choice.

    Source: the curvature is that of `two_sided_svd`; choosing by a Lagrange multiplier is Everett
    1963, doi:10.1287/opre.11.3.399.
    """

    name: ClassVar[str] = "mixed"
    label: ClassVar[str] = "Mixed (best method per matrix)"
    summary: ClassVar[str] = (
        "Selects for each weight the candidate method with the lowest estimated loss."
    )
    paper: ClassVar[str] = "Everett 1963, with a K-FAC metric"
    relative_cost: ClassVar[float] = 0.8
    supports_sharing: ClassVar[bool] = False

    candidates: str = option(
        CANDIDATES,
        "Candidates",
        "Comma-separated methods, each optionally followed by its options as key=value.",
    )
    seed: int = option(0, "Seed", "Seed of randomized candidates.", minimum=0, maximum=2**31 - 1)

    def __post_init__(self) -> None:
        # What is unknown is refused now.
        if not self._methods:
            raise CompressionError(
                f"candidates names no method; for example: candidates={CANDIDATES}."
            )

    @cached_property
    def _methods(self) -> tuple[Method, ...]:
        return tuple(method for _, method in self._parse_candidates())

    def _parse_candidates(self) -> Iterator[tuple[str, Method]]:
        for text in _pieces(self.candidates):
            name, options = _parse(text)
            if name == self.name:
                raise CompressionError(f"{self.name} cannot be one of its own candidates.")
            method = build_method(name, options)
            if "seed" in method.option_values() and "seed" not in options:
                method = build_method(name, {**options, "seed": self.seed})
            yield text, method

    def former_values(self) -> dict[str, OptionValue]:
        """See `Method.former_values`: candidates with options that have new names, too."""
        pieces = [(text, _former_text(text)) for text in _pieces(self.candidates)]
        values = super().former_values()
        if any(text != former for text, former in pieces):
            values["candidates"] = f"{SEPARATOR} ".join(former for _, former in pieces)
        return values

    @property
    def required_statistics(self) -> frozenset[str]:
        """What any candidate needs for a layer, and its curvature."""
        return LAYER_CURVATURE.union(*(method.required_statistics for method in self._methods))

    def required_statistics_for(self, target: Target) -> frozenset[str]:
        """See `Method.required_statistics_for`: what any candidate needs, and the curvature."""
        return curvature_needs(target).union(
            *(m.required_statistics_for(target) for m in self._methods)
        )

    def check_applies(self, family: str, name: str) -> None:
        """See `Method.check_applies`: one candidate is enough."""
        refusals = [why for m in self._methods if (why := _refusal(m, family, name))]
        if len(refusals) == len(self._methods):
            raise CompressionError(
                f"No candidate of {self.name} applies to {name}. {' '.join(refusals)}"
            )

    def for_target(self, target: Target) -> Method:
        """See `Method.for_target`: only the candidates that apply, each fitted itself."""
        fitting = []
        for text, method in self._parse_candidates():
            fitted = method.for_target(target)
            if _refusal(fitted, target.family, target.name) is None:
                fitting.append(text if fitted == method else _format(fitted))
        return replace(self, candidates=f"{SEPARATOR} ".join(fitting)) if fitting else self

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: which one it will be, and so the bytes, depends on the weight."""
        found: list[Preview] = []
        refused: BudgetError | None = None
        for method in self._methods:
            try:
                found.append(method.preview(shape, budget=budget, itemsize=itemsize))
            except BudgetError as error:
                refused = refused or error
        if not found:
            raise refused or BudgetError("No candidate fits.")
        nbytes = max(preview.nbytes for preview in found)
        note = f"one of {len(found)} candidates"
        return Preview(budget, nbytes, note=note, is_upper_bound=True)

    def curve(
        self, weight: Tensor, statistics: Statistics, report: Report = ignore
    ) -> list[OperatingPoint]:
        """See `Method.curve`: those of all candidates together."""
        points: list[OperatingPoint] = []
        for index, method in enumerate(self._methods):
            part = subrange(report, index / len(self._methods), (index + 1) / len(self._methods))
            points += [
                replace(point, method=point.method or method)
                for point in method.curve(weight, statistics, part)
            ]
        return points

    def compress(
        self,
        weight: Tensor,
        preview: Preview,
        statistics: Statistics,
        report: Report = ignore,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        from compress_lib.methods.linalg import check_finite

        check_finite(weight)
        points = self.curve(weight, statistics, subrange(report, 0.0, 0.7))
        fitting = [point for point in points if point.nbytes <= preview.budget]
        if not fitting:
            raise BudgetError(
                f"{preview.budget:,} bytes are too few: it needs at least one candidate."
            )
        best = min(fitting, key=lambda point: (point.loss, point.nbytes))
        assert best.method is not None
        part = subrange(report, 0.7, 1.0)
        return best.method.compress_within(weight, best.nbytes, statistics, part)


def _refusal(method: Method, family: str, name: str) -> str | None:
    """Return why a method does not apply, or None if it does."""
    try:
        method.check_applies(family, name)
    except CompressionError as error:
        return str(error)
    return None


def _parse(text: str) -> tuple[str, dict[str, str]]:
    """Return the method and the options of a candidate, `name key=value …`."""
    name, *words = text.split()
    options = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise CompressionError(f"An option of a candidate is key=value, not {word!r}.")
        options[key] = value
    return name, options


def _format(method: Method) -> str:
    """Return a method as a candidate; the reverse of `_parse`."""
    usual = type(method)().option_values()
    own = (f"{key}={v}" for key, v in method.option_values().items() if usual[key] != v)
    return " ".join([method.name, *own])


def _former_text(text: str) -> str:
    """Return a candidate as version 0.1.0 would have written it."""
    name, options = _parse(text)
    method = build_method(name, options)
    today = {one.name for one in method.options() if one.formerly}
    for meanings in method.former_options.values():
        for meaning in meanings.values():
            today |= meaning.keys()
    if not today & options.keys():
        return text
    usual = type(method)().former_values()
    own = (f"{key}={v}" for key, v in method.former_values().items() if usual.get(key) != v)
    return " ".join([name, *own])


def _pieces(candidates: str) -> list[str]:
    """Split candidates at commas, but for those inside a value such as `bits=8,4,2`."""
    found: list[str] = []
    for text in candidates.split(SEPARATOR):
        if found and "=" in found[-1].rpartition(" ")[2] and NUMBER.fullmatch(text.strip()):
            found[-1] += SEPARATOR + text.strip()
        elif text.strip():
            found.append(text.strip())
    return found
