"""Best-of-several method selection: per weight, the candidate with the least estimated loss."""

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
    """Selection of the candidate method with the least estimated loss increase within a budget.

    Each candidate is evaluated at several sizes. The loss estimate ½ tr(G Δ C Δᵀ) of an error Δ
    makes factorizations and quantizers comparable. With allocation=automatic, the method and the
    bytes of every target are chosen jointly.

    Source: the curvature is that of `two_sided_svd`; the choice by a Lagrange multiplier is Everett
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
        # Parse eagerly, so that an unknown method or option fails on construction.
        if not self._methods:
            raise CompressionError(
                f"The option candidates is empty. Give methods, such as candidates={CANDIDATES}."
            )

    @cached_property
    def _methods(self) -> tuple[Method, ...]:
        return tuple(method for _, method in self._parse_candidates())

    def _parse_candidates(self) -> Iterator[tuple[str, Method]]:
        for text in _pieces(self.candidates):
            name, options = _parse(text)
            if name == self.name:
                raise CompressionError(f"{self.name} cannot be its own candidate; remove it.")
            method = build_method(name, options)
            if "seed" in method.option_values() and "seed" not in options:
                method = build_method(name, {**options, "seed": self.seed})
            yield text, method

    def former_values(self) -> dict[str, OptionValue]:
        """See `Method.former_values`: also translates the options of each candidate."""
        pieces = [(text, _former_text(text)) for text in _pieces(self.candidates)]
        values = super().former_values()
        if any(text != former for text, former in pieces):
            values["candidates"] = f"{SEPARATOR} ".join(former for _, former in pieces)
        return values

    @property
    def required_statistics(self) -> frozenset[str]:
        """All candidates' statistics for a layer, and those of its curvature."""
        return LAYER_CURVATURE.union(*(method.required_statistics for method in self._methods))

    def required_statistics_for(self, target: Target) -> frozenset[str]:
        """See `Method.required_statistics_for`: the candidates' fields and the curvature's."""
        return curvature_needs(target).union(
            *(m.required_statistics_for(target) for m in self._methods)
        )

    def check_applies(self, family: str, name: str) -> None:
        """See `Method.check_applies`: one applicable candidate suffices."""
        refusals = [why for m in self._methods if (why := _refusal(m, family, name))]
        if len(refusals) == len(self._methods):
            raise CompressionError(
                f"No candidate of {self.name} applies to {name}. {' '.join(refusals)}"
            )

    def for_target(self, target: Target) -> Method:
        """See `Method.for_target`: keeps the applicable candidates, each adapted to the target."""
        fitting = []
        for text, method in self._parse_candidates():
            fitted = method.for_target(target)
            if _refusal(fitted, target.family, target.name) is None:
                fitting.append(text if fitted == method else _format(fitted))
        return replace(self, candidates=f"{SEPARATOR} ".join(fitting)) if fitting else self

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: an upper bound, because the choice depends on the weight."""
        previews: list[Preview] = []
        first_error: BudgetError | None = None
        for method in self._methods:
            try:
                previews.append(method.preview(shape, budget=budget, itemsize=itemsize))
            except BudgetError as error:
                first_error = first_error or error
        if not previews:
            raise first_error or BudgetError(f"No candidate fits into {budget:,} bytes.")
        nbytes = max(preview.nbytes for preview in previews)
        note = f"one of {len(previews)} candidates"
        return Preview(budget, nbytes, note=note, is_upper_bound=True)

    def curve(
        self, weight: Tensor, statistics: Statistics, report: Report = ignore
    ) -> list[OperatingPoint]:
        """See `Method.curve`: the operating points of all candidates."""
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
                f"{preview.budget:,} bytes are too few for every candidate of {self.name}."
            )
        best = min(fitting, key=lambda point: (point.loss, point.nbytes))
        assert best.method is not None
        part = subrange(report, 0.7, 1.0)
        return best.method.compress_within(weight, best.nbytes, statistics, part)


def _refusal(method: Method, family: str, name: str) -> str | None:
    """Return the reason why a method does not apply, or None if it does."""
    try:
        method.check_applies(family, name)
    except CompressionError as error:
        return str(error)
    return None


def _parse(text: str) -> tuple[str, dict[str, str]]:
    """Return the name and the options of a candidate written as `name key=value …`."""
    name, *words = text.split()
    options = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise CompressionError(f"Write each option of a candidate as key=value, not {word!r}.")
        options[key] = value
    return name, options


def _format(method: Method) -> str:
    """Return a method in the syntax of a candidate; the inverse of `_parse`."""
    defaults = type(method)().option_values()
    changed = (f"{key}={v}" for key, v in method.option_values().items() if defaults[key] != v)
    return " ".join([method.name, *changed])


def _former_text(text: str) -> str:
    """Return a candidate with the option names and values of version 0.1.0."""
    name, options = _parse(text)
    method = build_method(name, options)
    renamed = {one.name for one in method.options() if one.formerly}
    for meanings in method.former_options.values():
        for meaning in meanings.values():
            renamed |= meaning.keys()
    if not renamed & options.keys():
        return text
    defaults = type(method)().former_values()
    changed = (f"{key}={v}" for key, v in method.former_values().items() if defaults.get(key) != v)
    return " ".join([name, *changed])


def _pieces(candidates: str) -> list[str]:
    """Split candidates at commas, except inside a value such as `bits=8,4,2`."""
    pieces: list[str] = []
    for text in candidates.split(SEPARATOR):
        if pieces and "=" in pieces[-1].rpartition(" ")[2] and NUMBER.fullmatch(text.strip()):
            pieces[-1] += SEPARATOR + text.strip()
        elif text.strip():
            pieces.append(text.strip())
    return pieces
