"""Allocate a byte budget across weights by Lagrangian rate-distortion optimisation.

If losses are additive, the optimal choice of one point per curve under a total budget minimises
loss + λ · bytes on each curve separately, with one λ for all: Everett's theorem (1963) on Lagrange
multipliers. Such points lie on the lower convex hulls of the curves, so the optima for all λ
follow from taking hull segments in descending order of loss reduction per byte. Does not import
torch.
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
        nbytes: Bytes stored.
        loss: The estimated increase of the model's loss, in nats per token.
        method: The method that produces it, if it differs from the method queried.
    """

    nbytes: int
    loss: float
    method: Method | None = None


@dataclass(frozen=True)
class JointPoint(OperatingPoint):
    """Operating points of several weights, combined."""

    members: Sequence[OperatingPoint] = ()


Curve = Sequence[P]
"""Operating points of one weight, in any order."""


def allocate_lagrangian(curves: Sequence[Curve[P]], budget: int) -> list[P]:
    """Choose one point per curve, with the least total loss within a budget.

    The multiplier leaves at most one segment's bytes unspent; these are spent greedily on single
    points in order of loss reduction per byte, so that the remainder is smaller than the smallest
    step still available.

    Args:
        curves: One non-empty curve per weight.
        budget: Total bytes.

    Raises:
        BudgetError: Even the smallest points exceed the budget.
    """
    hulls = [lower_hull(curve) for curve in curves]
    chosen = [hull[0] for hull in hulls]
    remaining = budget - sum(point.nbytes for point in chosen)
    if remaining < 0:
        raise BudgetError(
            f"{format_bytes(budget)} are too few for these weights: they need at least "
            f"{format_bytes(budget - remaining)}."
        )
    # Gains decrease along each hull, so the global order preserves the order within each hull.
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
        if new.nbytes - chosen[index].nbytes > remaining:
            # Segments cannot be skipped within a hull, but another hull's may be small enough.
            stopped.add(index)
            continue
        remaining -= new.nbytes - chosen[index].nbytes
        chosen[index] = new
    return _spend_rest(curves, chosen, remaining)


def lower_hull(curve: Curve[P]) -> list[P]:
    """Return the lower convex hull of a curve.

    Sorted by bytes; the loss reduction per byte decreases from segment to segment. No other point,
    nor mixture of points, has both fewer bytes and less loss.
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


def _spend_rest(curves: Sequence[Curve[P]], chosen: list[P], remaining: int) -> list[P]:
    """Greedily take better points that still fit, by loss reduction per byte."""
    heap: list[tuple[float, int, int, P]] = []
    tie_break = itertools.count()

    def push_best(index: int) -> None:
        current = chosen[index]
        better = [
            point
            for point in curves[index]
            if current.nbytes < point.nbytes <= current.nbytes + remaining
            and point.loss < current.loss
        ]
        if better:
            best = max(better, key=lambda point: _gain(current, point))
            heapq.heappush(heap, (-_gain(current, best), next(tie_break), index, best))

    for index in range(len(curves)):
        push_best(index)
    while heap:
        _, _, index, point = heapq.heappop(heap)
        cost = point.nbytes - chosen[index].nbytes
        if 0 < cost <= remaining:
            chosen[index] = point
            remaining -= cost
        push_best(index)
    return chosen


def at_uniform_keep(
    curves: Sequence[Curve[OperatingPoint]], sizes: Sequence[int], steps: int = 200
) -> list[JointPoint]:
    """Return the combined operating points at which all weights have the same `keep`.

    Args:
        curves: One non-empty curve per weight.
        sizes: The uncompressed bytes of each weight.
        steps: Number of equidistant values of `keep` tried, up to 1.
    """
    hulls = [lower_hull(curve) for curve in curves]
    joint = []
    for step in range(1, steps + 1):
        points = []
        for hull, size in zip(hulls, sizes, strict=True):
            fitting = [point for point in hull if point.nbytes * steps <= step * size]
            points += fitting[-1:]
        if len(points) == len(curves):
            nbytes, loss = sum(p.nbytes for p in points), sum(p.loss for p in points)
            joint.append(JointPoint(nbytes, loss, members=points))
    return joint
