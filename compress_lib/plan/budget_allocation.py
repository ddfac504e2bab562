"""Bytes of each target from those of all, by estimated loss: `by_family` and `automatic`."""

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
    """Who gets which bytes.

    Attributes:
        assignments: With budgets of their own; targets that stay dense have none.
        loss: The estimated growth of the model's loss by those that were shared out, in nats a
            token; None where nothing was.
        nbytes: The bytes of all targets that were shared out, dense ones included.
        before: The same before compressing.
    """

    assignments: list[Assignment]
    loss: float | None = None
    nbytes: int = 0
    before: int = 0

    @property
    def line(self) -> str:
        """What was decided, in a sentence."""
        share = self.nbytes / self.before if self.before else 0.0
        return (
            f"{format_bytes(self.nbytes)} ({format_share(share)}) shared out by estimated loss: "
            f"{self.loss or 0:.3g} nats a token are expected to be lost"
        )


CurveOf = Callable[[Assignment], Curve[OperatingPoint]]


def allocate_budget(assignments: Sequence[Assignment], curve_of: CurveOf) -> BudgetAllocation:
    """Give assignments the bytes that serve the model best.

    Args:
        assignments: From `allocate`; those of a rule share the bytes that it keeps of them.
        curve_of: Gives what an assignment's weight could be stored as.

    Raises:
        BudgetError: What a rule keeps is too little for its targets.
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
        points = _share(members, curves, budget)
        chosen |= {member.name: point for member, point in zip(members, points, strict=True)}
    new = [_with_point(a, chosen[a.name]) if a.name in chosen else a for a in assignments]
    loss = sum(point.loss for point in chosen.values())
    nbytes = sum(point.nbytes for point in chosen.values())
    before = sum(a.nbytes for a in assignments if a.name in chosen)
    return BudgetAllocation([a for a in new if a is not None], loss, nbytes, before)


def _share(
    members: Sequence[Assignment], curves: Sequence[Curve[OperatingPoint]], budget: int
) -> list[OperatingPoint]:
    rule = members[0].rule
    try:
        if rule.allocation != "by_family":
            return allocate_lagrangian(curves, budget)
        families: dict[str, list[int]] = {}
        for index, member in enumerate(members):
            families.setdefault(member.family, []).append(index)
        together = [
            at_uniform_keep([curves[i] for i in indices], [members[i].nbytes for i in indices])
            for indices in families.values()
        ]
        found: dict[int, OperatingPoint] = {}
        for indices, choice in zip(
            families.values(), allocate_lagrangian(together, budget), strict=True
        ):
            found |= dict(zip(indices, choice.members, strict=True))
        return [found[index] for index in range(len(members))]
    except BudgetError as error:
        raise BudgetError(f"{rule.pattern}, keep {rule.keep:g}: {error}") from error


def _with_point(assignment: Assignment, point: OperatingPoint) -> Assignment | None:
    """Return an assignment with a point's bytes, or None if it stays dense."""
    if point.nbytes == assignment.nbytes and point.loss == 0:
        return None
    method = point.method or assignment.method
    itemsize = assignment.targets[0].itemsize
    preview = method.preview(assignment.shape, budget=point.nbytes, itemsize=itemsize)
    return replace(assignment, method=method, preview=preview, loss=point.loss)
