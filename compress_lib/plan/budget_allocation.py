"""Allocate a byte budget across weights by estimated loss (Lagrangian rate-distortion).

Implements the allocations `by_family`, `automatic` and `measured` of a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from compress_lib.errors import BudgetError
from compress_lib.methods.rate_distortion import (
    Curve,
    OperatingPoint,
    allocate_lagrangian,
    at_uniform_keep,
)
from compress_lib.plan.allocation import Assignment
from compress_lib.utils.formatting import format_bytes, format_share


@dataclass(frozen=True)
class BudgetAllocation:
    """The byte budgets chosen for a plan.

    Attributes:
        assignments: The assignments with their budgets; targets that stay dense are left out.
        loss: The estimated loss increase of the allocated targets, in nats per token; None if no
            rule allocates by loss.
        nbytes: Total bytes of the allocated targets, including those that stay dense.
        before: Total bytes of the same targets before compression.
    """

    assignments: list[Assignment]
    loss: float | None = None
    nbytes: int = 0
    before: int = 0

    @property
    def line(self) -> str:
        """The allocation as a log line."""
        share = self.nbytes / self.before if self.before else 0.0
        return (
            f"Allocated {format_bytes(self.nbytes)} ({format_share(share)}) by estimated loss: "
            f"+{self.loss or 0:.3g} nats per token predicted"
        )


CurveOf = Callable[[Assignment], Curve[OperatingPoint]]


def allocate_budget(assignments: Sequence[Assignment], curve_of: CurveOf) -> BudgetAllocation:
    """Allocate each rule's byte budget across its assignments to minimise the estimated loss.

    Args:
        assignments: From `allocate`; the assignments of one rule share `keep` × their bytes.
        curve_of: Returns the rate-distortion curve of an assignment's weight.

    Raises:
        BudgetError: A rule's budget is too small for its targets.
    """
    rules: dict[int, list[Assignment]] = {}
    for assignment in assignments:
        if assignment.needs_allocation:
            rules.setdefault(id(assignment.rule), []).append(assignment)
    if not rules:
        return BudgetAllocation(list(assignments))
    chosen: dict[str, OperatingPoint] = {}
    for members in rules.values():
        curves = [[*curve_of(member), OperatingPoint(member.nbytes, 0.0)] for member in members]
        budget = sum(int(member.rule.keep * member.nbytes) for member in members)
        points = _choose_points(members, curves, budget)
        chosen |= {member.name: point for member, point in zip(members, points, strict=True)}
    new = [_with_point(a, chosen[a.name]) if a.name in chosen else a for a in assignments]
    loss = sum(point.loss for point in chosen.values())
    nbytes = sum(point.nbytes for point in chosen.values())
    before = sum(a.nbytes for a in assignments if a.name in chosen)
    return BudgetAllocation([a for a in new if a is not None], loss, nbytes, before)


def _choose_points(
    members: Sequence[Assignment], curves: Sequence[Curve[OperatingPoint]], budget: int
) -> list[OperatingPoint]:
    """Return one operating point per member; with `by_family`, equal keep within a family."""
    rule = members[0].rule
    try:
        if rule.allocation != "by_family":
            return allocate_lagrangian(curves, budget)
        families: dict[str, list[int]] = {}
        for index, member in enumerate(members):
            families.setdefault(member.family, []).append(index)
        joint_curves = [
            at_uniform_keep([curves[i] for i in indices], [members[i].nbytes for i in indices])
            for indices in families.values()
        ]
        points: dict[int, OperatingPoint] = {}
        for indices, choice in zip(
            families.values(), allocate_lagrangian(joint_curves, budget), strict=True
        ):
            points |= dict(zip(indices, choice.members, strict=True))
        return [points[index] for index in range(len(members))]
    except BudgetError as error:
        raise BudgetError(f"{rule.pattern}, keep {rule.keep:g}: {error}") from error


def _with_point(assignment: Assignment, point: OperatingPoint) -> Assignment | None:
    """Return an assignment with the byte budget of a point, or None if it stays dense."""
    if point.nbytes == assignment.nbytes and point.loss == 0:
        return None
    method = point.method or assignment.method
    itemsize = assignment.targets[0].itemsize
    preview = method.preview(assignment.shape, budget=point.nbytes, itemsize=itemsize)
    return replace(assignment, method=method, preview=preview, loss=point.loss)
