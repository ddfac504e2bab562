"""Assignments: resolve a plan's rules into a method and a byte budget for every weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress_lib.errors import BudgetError, CompressionError
from compress_lib.methods import Method, Preview
from compress_lib.methods.statistics import GATHERED, LOOKED_UP, curvature_needs
from compress_lib.models.targets import FAMILIES, TABLES, Target, select
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import COMPRESSED, DENSE, UNIFORM, Rule


@dataclass(frozen=True)
class Assignment:
    """How one target, or several stacked into one matrix, will be compressed.

    Attributes:
        targets: One target, or a group with equal cols (with equal rows if `columns`).
        rule: The rule that selected the targets.
        method: The method that compresses the stack.
        preview: The predicted storage, with the method's solution for the budget.
        columns: Whether columns are the data, so that the stack consists of transposed weights.
        loss: The estimated loss increase in nats per token; None unless bytes were allocated by
            estimated loss.
    """

    targets: tuple[Target, ...]
    rule: Rule
    method: Method
    preview: Preview
    columns: bool = False
    loss: float | None = None

    @property
    def budget(self) -> int:
        """The byte budget of the whole stack; shared tensors count once."""
        return self.preview.budget

    @property
    def needs_allocation(self) -> bool:
        """Whether its budget still has to be allocated by estimated loss."""
        return self.rule.allocation != UNIFORM and self.loss is None

    @property
    def uses_compressed_inputs(self) -> bool:
        """Whether it is compressed sequentially; see `compression.sequential`."""
        in_blocks = all(target.layer is not None for target in self.targets)
        return self.rule.inputs == COMPRESSED and in_blocks

    @property
    def name(self) -> str:
        """The target's name, or a description of the group."""
        return group_name(self.targets)

    @property
    def family(self) -> str:
        """The module type that all its targets share."""
        return self.targets[0].family

    @property
    def required_statistics(self) -> frozenset[str]:
        """The statistics that any of its targets needs."""
        return frozenset().union(*(self.required_statistics_for(target) for target in self.targets))

    def required_statistics_for(self, target: Target) -> frozenset[str]:
        """Return the statistics that one of its targets needs."""
        needs = self.method.required_statistics_for(target)
        if self.uses_compressed_inputs:
            needs = needs | {"second_moment"}
        if self.rule.allocation == UNIFORM:
            return needs
        curvature = curvature_needs(target)
        # If the LM head keeps the original, only the embedding lookup sees the error.
        dense_head = self.rule.tie == "input" and target.tied
        return needs | (curvature & LOOKED_UP if dense_head else curvature)

    @property
    def shape(self) -> tuple[int, int]:
        """`[rows, cols]` of the stacked matrix that the method compresses."""
        return stacked_shape(self.targets, columns=self.columns)

    @property
    def nbytes(self) -> int:
        """Bytes of its targets in the original checkpoint."""
        return sum(target.nbytes for target in self.targets)

    @property
    def keeps_original(self) -> bool:
        """Whether the LM head keeps the original weight in addition to the compressed one."""
        return self.rule.tie == "input" and any(target.tied for target in self.targets)

    @property
    def retained_bytes(self) -> int:
        """Bytes of the original weight that stay in the model; 0 unless `keeps_original`."""
        return self.nbytes if self.keeps_original else 0

    @property
    def predicted_bytes(self) -> int:
        """Predicted bytes of the compressed weight; its budget before allocation by loss."""
        return self.budget if self.needs_allocation else self.preview.nbytes

    @property
    def break_even_rank(self) -> int:
        """The largest rank at which two factors are no larger than the stacked matrix."""
        rows, cols = self.shape
        return rows * cols // (rows + cols)


def group_name(targets: Sequence[Target]) -> str:
    """Return the name of a group of one module type, e.g. `Key, layers 0 to 29`."""
    if len(targets) == 1:
        return targets[0].name
    layers = [target.layer for target in targets]
    return f"{FAMILIES[targets[0].family]}, layers {layers[0]} to {layers[-1]}"


def stacked_shape(targets: Sequence[Target], *, columns: bool) -> tuple[int, int]:
    """Return `[rows, cols]` of weights stacked by rows, transposed first if `columns`.

    Args:
        targets: The weights, of equal width (of equal height if `columns`).
        columns: Whether columns are the data.
    """
    stacked_axis, common_axis = (1, 0) if columns else (0, 1)
    rows = sum(target.shape[stacked_axis] for target in targets)
    return rows, targets[0].shape[common_axis]


def allocate(plan: Plan, targets: Sequence[Target]) -> list[Assignment]:
    """Assign every target the method of its rule and a budget of `keep` × its bytes.

    Args:
        plan: The plan; the last rule that selects a target wins.
        targets: All targets of the model.

    Returns:
        One assignment per target or group that is not left dense, in the model's order.

    Raises:
        CompressionError: A pattern selects nothing, a method does not apply to a target, or the
            matrices of a group have unequal widths.
        BudgetError: The method cannot store a target within its budget; the message names it.
    """
    rule_of: dict[str, int] = {}
    for index, rule in enumerate(plan.rules):
        for target in select(targets, rule.pattern):
            rule_of[target.name] = index
    groups: dict[tuple[object, ...], list[Target]] = {}
    for target in targets:
        index = rule_of.get(target.name, -1)
        if index >= 0 and plan.rules[index].method != DENSE:
            groups.setdefault((index, *_group_key(plan.rules[index], target)), []).append(target)
    assignments = [
        _assign(tuple(members), plan.rules[int(str(key[0]))], plan.seed)
        for key, members in groups.items()
    ]
    if not assignments and any(rule.method != DENSE for rule in plan.rules):
        raise CompressionError("Every target is left dense, so the plan compresses nothing.")
    return assignments


def _group_key(rule: Rule, target: Target) -> tuple[object, ...]:
    """Return the grouping key: targets with equal keys are compressed together."""
    if rule.group == "separated" or target.layer is None:
        return (target.name,)
    return (target.family, target.layer // rule.window if rule.window else 0)


def _assign(targets: tuple[Target, ...], rule: Rule, seed: int) -> Assignment:
    unadapted = rule.build(seed)
    method = unadapted.for_target(targets[0])
    for target in targets:
        method.check_applies(target.family, target.name)
    needs = frozenset().union(*(method.required_statistics_for(target) for target in targets))
    if rule.tie == "input" and needs & GATHERED:
        raise CompressionError(
            f"{group_name(targets)}: {method.name} needs {', '.join(sorted(needs))}, which "
            "is collected for the embedding and the LM head together; use tie=both."
        )
    budget = sum(int(rule.keep * target.nbytes) for target in targets)
    candidates: list[Assignment] = []
    first_error: BudgetError | None = None
    for columns in _orientations(targets, rule, method):
        shape = stacked_shape(targets, columns=columns)
        # `for_target` adapts the method to a target's rows, which does not fit its columns.
        used = unadapted if columns else method
        try:
            preview = used.preview(shape, budget=budget, itemsize=targets[0].itemsize)
        except BudgetError as error:
            first_error = first_error or error
            continue
        except CompressionError as error:
            message = f"{group_name(targets)}, keep {rule.keep:g}: {error}"
            raise type(error)(message) from error
        candidates.append(Assignment(targets, rule, used, preview, columns))
    if not candidates:
        message = f"{group_name(targets)}, keep {rule.keep:g}: {first_error}"
        raise BudgetError(message) from first_error
    # Rows come first and win ties: `max` returns the first maximum.
    return max(candidates, key=lambda item: item.preview.rank or 0)


def _orientations(targets: Sequence[Target], rule: Rule, method: Method) -> list[bool]:
    """Return the possible values of `Assignment.columns`, rows first.

    Raises:
        CompressionError: The matrices cannot be stacked in the orientation of the rule.
    """
    # Statistics describe rows or inputs, and the rows of an embedding are tokens.
    needs = method.required_statistics_for(targets[0])
    rows_only = bool(needs - {"perplexity"}) or targets[0].family in TABLES
    # Loss curves exist for rows only.
    rows_only = rows_only or rule.allocation != UNIFORM
    if rule.orientation == "columns" and rows_only:
        why = f"{method.name} weights rows or inputs"
        if rule.allocation != UNIFORM:
            why = f"allocation {rule.allocation} estimates the loss for rows"
        if targets[0].family in TABLES:
            why = f"{method.name} works on tokens"
        raise CompressionError(
            f"{group_name(targets)}: {why}, so columns cannot be the data; use orientation=rows "
            "or orientation=automatic."
        )
    allowed = {"rows": [False], "columns": [True]}.get(
        rule.orientation, [False] if rows_only else [False, True]
    )
    fitting = [c for c in allowed if len({t.shape[0 if c else 1] for t in targets}) == 1]
    if not fitting:
        sizes = sorted({target.shape for target in targets})
        side = {"rows": "widths", "columns": "heights"}.get(rule.orientation, "shapes")
        raise CompressionError(
            f"{group_name(targets)} cannot be concatenated: unequal {side} "
            f"({', '.join(f'{rows} × {cols}' for rows, cols in sizes)}). Use group=separated, or "
            "narrow the pattern."
        )
    return fitting
