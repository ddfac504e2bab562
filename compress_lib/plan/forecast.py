"""What a plan is expected to cost before anything is run, from curves kept with the project.

Knows torch only where they are computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress_lib.errors import CompressionError
from compress_lib.methods import Method, OptionValue, build_method
from compress_lib.methods.low_rank.base import STORAGE_OPTIONS, LowRankMethod
from compress_lib.methods.rate_distortion import OperatingPoint
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import Assignment
from compress_lib.plan.budget_allocation import allocate_budget
from compress_lib.plan.spectra import load_bundled_arrays
from compress_lib.utils.paths import ASSETS

if TYPE_CHECKING:
    pass

FOLDER = ASSETS / "curves"


SMALL = 0.5
"""Nats a token up to which estimates were near what was measured; beyond, errors meet."""

LEAST, MOST = 0.2, 2.5
"""What was measured, in parts of such an estimate, over all landmarks."""

RUINED = 2.0
"""Nats a token: a model whose perplexity grows by more than 7 times writes no sense."""

LEAST_LOSS = 1e-9
"""Curves are straight in the logarithm; this stands for nothing."""


def load_curves(model: str, folder: Path = FOLDER) -> Mapping[str, Any]:
    """Return the curves `[2, points]` of a catalogue model by `method/target`; {} if unknown.

    The first row has ranks, or bytes where a method has none, rising; the second the estimated
    growth of the loss, in nats a token, by the default options of the method.
    """
    return load_bundled_arrays(model, folder)


def forecast_loss(assigned: Sequence[Assignment], model: str) -> float | None:
    """Return the growth of the loss that a plan is expected to cause, in nats a token.

    Where bytes are to be shared out by loss, they are shared out here as in a run.

    Args:
        assigned: What will happen.
        model: A name of the catalogue.

    Returns:
        None where a curve is not known: of groups, of what follows compressed layers, of methods
        that train, of unusual options.
    """
    known = load_curves(model)
    if not known or not all(_has_curve(item, known) for item in assigned):
        return None
    decided = sum(_at(item, known) for item in assigned if not item.needs_allocation)
    try:
        shared = allocate_budget(assigned, lambda item: _points(item, known))
    except CompressionError:
        return None
    return decided + (shared.loss or 0.0)


def describe_prediction(loss: float, near: str, at_least: str, ruined: str) -> str:
    """Return the words that fit an expected growth of the loss, by how far estimates hold."""
    if loss > RUINED:
        return ruined
    return at_least if loss > SMALL else near


def _has_curve(item: Assignment, known: Mapping[str, Any]) -> bool:
    """Tell whether an assignment's curve is known."""
    target = item.targets[0]
    alone = len(item.targets) == 1 and not item.uses_compressed_inputs and not item.keeps_original
    return (
        alone and f"{item.method.name}/{target.name}" in known and _is_default(item.method, target)
    )


def _is_default(method: Method, target: Target) -> bool:
    """Tell whether a method's options are the default ones, but for how factors are stored."""
    stored: tuple[str, ...] = ()
    if isinstance(method, LowRankMethod):
        if method.few_bits:
            return False
        stored = STORAGE_OPTIONS
    own = method.option_values()
    plain = _plain_options(method.name, target)
    return all(own[name] == value for name, value in plain.items() if name not in stored)


@cache
def _plain_options(method: str, target: Target) -> Mapping[str, OptionValue]:
    """Return a method's default options for a target."""
    return build_method(method, {}).for_target(target).option_values()


def _at(item: Assignment, known: Mapping[str, Any]) -> float:
    """Return the loss at an assignment's rank or bytes."""
    places, losses = known[f"{item.method.name}/{item.targets[0].name}"].tolist()
    place = item.preview.rank if item.preview.rank is not None else item.preview.nbytes
    return _between(places, losses, place)


def _between(places: Sequence[float], losses: Sequence[float], place: float) -> float:
    if place <= places[0]:
        return losses[0]
    for (a, lost), (b, less) in pairwise(zip(places, losses, strict=True)):
        if place <= b:
            share = (place - a) / (b - a)
            high, low = (log(max(loss, LEAST_LOSS)) for loss in (lost, less))
            return exp(high + share * (low - high))
    return losses[-1]


def _points(item: Assignment, known: Mapping[str, Any]) -> list[OperatingPoint]:
    """Return a curve as it is shared out by."""
    places, losses = known[f"{item.method.name}/{item.targets[0].name}"].tolist()
    method, itemsize = item.method, item.targets[0].itemsize
    if not isinstance(method, LowRankMethod):
        return [
            OperatingPoint(int(place), loss) for place, loss in zip(places, losses, strict=True)
        ]
    return [
        OperatingPoint(method.rank_bytes(item.shape, int(rank), itemsize), loss)
        for rank, loss in zip(places, losses, strict=True)
        if method.factor_storage.align_rank(int(rank)) == int(rank)
    ]
