"""Loss forecast of a plan from precomputed rate-distortion curves of a catalogue model.

Does not import torch; `runs.precompute` computes the curves.
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
"""Nats per token up to which estimates are accurate; above, errors of layers interact."""

LEAST, MOST = 0.2, 2.5
"""Range of measured ÷ estimated loss over all landmarks with an estimate up to `SMALL`."""

RUINED = 2.0
"""Nats per token (perplexity × 7.4), above which a model no longer generates sensible text."""

LEAST_LOSS = 1e-9
"""Floor of losses in nats per token, because curves are interpolated in the logarithm."""


def load_curves(model: str, folder: Path = FOLDER) -> Mapping[str, Any]:
    """Return the loss curves `[2, points]` of a catalogue model by `method/target`; {} if unknown.

    The first row has ascending ranks, or bytes for methods without a rank; the second the
    estimated loss increase in nats per token, with the method's default options.

    Args:
        model: The catalogue name.
        folder: The folder with one file per model.
    """
    return load_bundled_arrays(model, folder)


def forecast_loss(assigned: Sequence[Assignment], model: str) -> float | None:
    """Return the predicted loss increase of a plan in nats per token.

    Rules that allocate by loss are allocated here exactly as in a run.

    Args:
        assigned: The plan's assignments.
        model: The catalogue name.

    Returns:
        The prediction, or None if a curve is missing: there is none for groups, sequential
        compression, embeddings whose LM head keeps the original, methods that train, and
        non-default options.
    """
    curves = load_curves(model)
    if not curves or not all(_has_curve(item, curves) for item in assigned):
        return None
    fixed = sum(_loss_of(item, curves) for item in assigned if not item.needs_allocation)
    try:
        allocation = allocate_budget(assigned, lambda item: _points(item, curves))
    except CompressionError:
        return None
    return fixed + (allocation.loss or 0.0)


def describe_prediction(loss: float, near: str, at_least: str, ruined: str) -> str:
    """Return the text for a predicted loss increase, depending on how reliable it is.

    Args:
        loss: The prediction in nats per token.
        near: The text up to `SMALL`, where estimates are accurate.
        at_least: The text above `SMALL`.
        ruined: The text above `RUINED`.
    """
    if loss > RUINED:
        return ruined
    return at_least if loss > SMALL else near


def _has_curve(item: Assignment, curves: Mapping[str, Any]) -> bool:
    """Return whether there is a curve for an assignment."""
    target = item.targets[0]
    plain = len(item.targets) == 1 and not item.uses_compressed_inputs and not item.keeps_original
    return (
        plain and f"{item.method.name}/{target.name}" in curves and _is_default(item.method, target)
    )


def _is_default(method: Method, target: Target) -> bool:
    """Return whether all options are default, except for the storage of 16-bit factors."""
    stored: tuple[str, ...] = ()
    if isinstance(method, LowRankMethod):
        if method.few_bits:
            return False
        stored = STORAGE_OPTIONS
    values = method.option_values()
    defaults = _default_options(method.name, target)
    return all(values[name] == value for name, value in defaults.items() if name not in stored)


@cache
def _default_options(method: str, target: Target) -> Mapping[str, OptionValue]:
    """Return a method's default options for a target."""
    return build_method(method, {}).for_target(target).option_values()


def _loss_of(item: Assignment, curves: Mapping[str, Any]) -> float:
    """Return the loss at an assignment's rank or bytes."""
    sizes, losses = curves[f"{item.method.name}/{item.targets[0].name}"].tolist()
    size = item.preview.rank if item.preview.rank is not None else item.preview.nbytes
    return _interpolate(sizes, losses, size)


def _interpolate(sizes: Sequence[float], losses: Sequence[float], size: float) -> float:
    """Interpolate the logarithm of the loss linearly in the size."""
    if size <= sizes[0]:
        return losses[0]
    for (a, loss_a), (b, loss_b) in pairwise(zip(sizes, losses, strict=True)):
        if size <= b:
            share = (size - a) / (b - a)
            high, low = (log(max(loss, LEAST_LOSS)) for loss in (loss_a, loss_b))
            return exp(high + share * (low - high))
    return losses[-1]


def _points(item: Assignment, curves: Mapping[str, Any]) -> list[OperatingPoint]:
    """Return an assignment's curve as operating points for the allocation."""
    sizes, losses = curves[f"{item.method.name}/{item.targets[0].name}"].tolist()
    method, itemsize = item.method, item.targets[0].itemsize
    if not isinstance(method, LowRankMethod):
        return [OperatingPoint(int(size), loss) for size, loss in zip(sizes, losses, strict=True)]
    return [
        OperatingPoint(method.rank_bytes(item.shape, int(rank), itemsize), loss)
        for rank, loss in zip(sizes, losses, strict=True)
        if method.factor_storage.align_rank(int(rank)) == int(rank)
    ]
