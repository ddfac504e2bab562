"""Sharing bytes out among weights by what each is worth to the loss. Knows no torch.

Where losses add up, the best choice of one point a curve for a sum of bytes minimises
loss + λ · bytes for every curve by itself, with one λ for all: Everett's theorem (1963) on
Lagrange multipliers. Such points lie on the lower convex hull of their curve, so that the best
choices for all λ come from taking the hulls' segments in the order of what a byte gains there.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from compress_lib.errors import BudgetError
from compress_lib.utils.formatting import format_bytes

P = TypeVar("P", bound="OperatingPoint")

if TYPE_CHECKING:
    from compress_lib.methods import Method


@dataclass(frozen=True)
class OperatingPoint:
    """One way to store a weight.

    Attributes:
        nbytes: What it takes.
        loss: The estimated growth of the model's loss, in nats a token.
        method: What does it, if that is not the method that was asked.
    """

    nbytes: int
    loss: float
    method: Method | None = None


@dataclass(frozen=True)
class JointPoint(OperatingPoint):
    """A point for each of several weights, taken together."""

    members: Sequence[OperatingPoint] = ()


Curve = Sequence[P]
"""What a weight can be stored as, in any order."""


def allocate_lagrangian(curves: Sequence[Curve[P]], budget: int) -> list[P]:
    """Choose a point of every curve, with the least sum of losses that a budget allows.

    What the multiplier leaves over, at most one segment's bytes, is then spent point by point
    where a byte gains most, so that less stays unspent than the smallest step still open.

    Args:
        curves: None empty.
        budget: Bytes for all of them.

    Raises:
        BudgetError: Even the smallest points together do not fit.
    """
    hulls = [lower_hull(curve) for curve in curves]
    chosen = [hull[0] for hull in hulls]
    left = budget - sum(point.nbytes for point in chosen)
    if left < 0:
        raise BudgetError(
            f"{format_bytes(budget)} are too few for these weights: they need at least "
            f"{format_bytes(budget - left)}."
        )
    # Along a hull the gain of a byte falls, so that the order over all hulls keeps that of each.
    segments = sorted(
        (-_gain(a, b), index, step)
        for index, hull in enumerate(hulls)
        for step, (a, b) in enumerate(itertools.pairwise(hull))
    )
    stopped: set[int] = set()
    for _, index, step in segments:
        new = hulls[index][step + 1]
        if index in stopped:
            continue
        if new.nbytes - chosen[index].nbytes > left:
            # A later segment of this weight would leave a hole, a smaller one elsewhere may fit.
            stopped.add(index)
            continue
        left -= new.nbytes - chosen[index].nbytes
        chosen[index] = new
    return _spend_rest(curves, chosen, left)


def lower_hull(curve: Curve[P]) -> list[P]:
    """Return the points from which no others, nor a mix of them, take fewer bytes and less loss.

    Sorted by bytes; the gain of a byte falls from segment to segment.
    """
    hull: list[P] = []
    for point in sorted(curve, key=lambda p: (p.nbytes, p.loss)):
        if hull and (point.loss >= hull[-1].loss or point.nbytes == hull[-1].nbytes):
            continue
        while len(hull) > 1 and _gain(hull[-2], hull[-1]) <= _gain(hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _gain(a: OperatingPoint, b: OperatingPoint) -> float:
    return (a.loss - b.loss) / (b.nbytes - a.nbytes)


def _spend_rest(curves: Sequence[Curve[P]], chosen: list[P], left: int) -> list[P]:
    """Take better points that still fit, those first that gain most for a byte."""
    offers: list[tuple[float, int, int, P]] = []
    number = itertools.count()

    def offer(index: int) -> None:
        now = chosen[index]
        better = [
            point
            for point in curves[index]
            if now.nbytes < point.nbytes <= now.nbytes + left and point.loss < now.loss
        ]
        if better:
            best = max(better, key=lambda point: _gain(now, point))
            heapq.heappush(offers, (-_gain(now, best), next(number), index, best))

    for index in range(len(curves)):
        offer(index)
    while offers:
        _, _, index, point = heapq.heappop(offers)
        cost = point.nbytes - chosen[index].nbytes
        if 0 < cost <= left:
            chosen[index] = point
            left -= cost
        offer(index)
    return chosen


def at_uniform_keep(
    curves: Sequence[Curve[OperatingPoint]], sizes: Sequence[int], steps: int = 200
) -> list[JointPoint]:
    """Return what weights cost together if all keep the same share of their bytes.

    Args:
        curves: None empty.
        sizes: The bytes of each weight as it is.
        steps: How finely shares are looked at.
    """
    ordered = [lower_hull(curve) for curve in curves]
    found = []
    for step in range(1, steps + 1):
        points = []
        for hull, size in zip(ordered, sizes, strict=True):
            fitting = [point for point in hull if point.nbytes * steps <= step * size]
            points += fitting[-1:]
        if len(points) == len(curves):
            nbytes, loss = sum(p.nbytes for p in points), sum(p.loss for p in points)
            found.append(JointPoint(nbytes, loss, members=points))
    return found
