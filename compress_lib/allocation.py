"""From a plan to a method and a budget in bytes for every target. Knows no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress_lib.errors import CompressionError
from compress_lib.methods import Method, Preview
from compress_lib.plan import DENSE, Plan, Rule
from compress_lib.targets import Target, select


@dataclass(frozen=True)
class Assignment:
    """What will happen to one target."""

    target: Target
    rule: Rule
    method: Method
    budget: int
    preview: Preview


def allocate(plan: Plan, targets: Sequence[Target]) -> list[Assignment]:
    """Give every target of a plan the share of bytes that its rule keeps.

    Args:
        plan: The last rule that selects a target counts.
        targets: All targets of the model.

    Returns:
        One assignment for each target that is not left dense, in the model's order.

    Raises:
        CompressionError: A pattern selects nothing, or a method does not apply to a target.
        BudgetError: Nothing fits into a target's budget; the message names it.
    """
    chosen: dict[str, tuple[Target, Rule]] = {}
    for rule in plan.rules:
        for target in select(targets, rule.pattern):
            chosen[target.name] = (target, rule)
    assignments = []
    for target in targets:
        if target.name not in chosen or chosen[target.name][1].method == DENSE:
            continue
        rule = chosen[target.name][1]
        assignments.append(_assign(target, rule, plan.seed))
    if not assignments and any(rule.method != DENSE for rule in plan.rules):
        raise CompressionError("Every target is left dense, so the plan compresses nothing.")
    return assignments


def _assign(target: Target, rule: Rule, seed: int) -> Assignment:
    method = rule.build(seed).fitted(target)
    method.check_applies(target.family, target.name)
    budget = int(rule.keep * target.nbytes)
    try:
        preview = method.preview(target.shape, budget=budget, itemsize=target.itemsize)
    except CompressionError as error:
        raise type(error)(f"{target.name}, keep {rule.keep:g}: {error}") from error
    return Assignment(target, rule, method, budget, preview)
