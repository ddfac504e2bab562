"""From a plan to a method and a budget in bytes for every target. Knows no torch."""

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
    """What will happen to one target, or to several stacked into one matrix.

    Attributes:
        targets: One target, or a group: with equal cols, or with equal rows where `columns`.
        rule: Where it comes from.
        method: What compresses the stack.
        preview: What will be stored, and what the method solved to know it.
        columns: Whether the columns are the data: the stack is made of transposed weights.
        loss: The estimated growth of the model's loss, in nats a token, once bytes were shared
            out by it.
    """

    targets: tuple[Target, ...]
    rule: Rule
    method: Method
    preview: Preview
    columns: bool = False
    loss: float | None = None

    @property
    def budget(self) -> int:
        """Bytes for all of it, what is shared counted once."""
        return self.preview.budget

    @property
    def needs_allocation(self) -> bool:
        """Whether its budget is still to be found by sharing out."""
        return self.rule.allocation != UNIFORM and self.loss is None

    @property
    def uses_compressed_inputs(self) -> bool:
        """Whether it waits for its turn in the model's order; see `sequential`."""
        in_blocks = all(target.layer is not None for target in self.targets)
        return self.rule.inputs == COMPRESSED and in_blocks

    @property
    def name(self) -> str:
        """The target's name, or the group's in words."""
        return group_name(self.targets)

    @property
    def family(self) -> str:
        """The role that all its targets have."""
        return self.targets[0].family

    @property
    def required_statistics(self) -> frozenset[str]:
        """What has to be known of any of its targets."""
        return frozenset().union(*(self.required_statistics_for(target) for target in self.targets))

    def required_statistics_for(self, target: Target) -> frozenset[str]:
        """What has to be known of one of its targets."""
        needs = self.method.required_statistics_for(target)
        if self.uses_compressed_inputs:
            needs = needs | {"second_moment"}
        if self.rule.allocation == UNIFORM:
            return needs
        minds = curvature_needs(target)
        # Where the output keeps the original, only the lookup of an error costs anything.
        kept = self.rule.tie == "input" and target.tied
        return needs | (minds & LOOKED_UP if kept else minds)

    @property
    def shape(self) -> tuple[int, int]:
        """`[rows, cols]` of the matrix that the method gets."""
        return stacked_shape(self.targets, columns=self.columns)

    @property
    def nbytes(self) -> int:
        """Bytes in the checkpoint before."""
        return sum(target.nbytes for target in self.targets)

    @property
    def keeps_original(self) -> bool:
        """Whether the output end keeps the weight as it was, beside the compressed one."""
        return self.rule.tie == "input" and any(target.tied for target in self.targets)

    @property
    def retained_bytes(self) -> int:
        """Bytes of the original that stays beside the compressed weight; 0 where none does."""
        return self.nbytes if self.keeps_original else 0

    @property
    def predicted_bytes(self) -> int:
        """Bytes of the compressed weight; its budget where that is still to be shared out."""
        return self.budget if self.needs_allocation else self.preview.nbytes

    @property
    def break_even_rank(self) -> int:
        """The largest rank at which two factors of the stack are not bigger than it."""
        rows, cols = self.shape
        return rows * cols // (rows + cols)


def group_name(targets: Sequence[Target]) -> str:
    """Name a group of one family: `Key, layers 0 to 29`."""
    if len(targets) == 1:
        return targets[0].name
    layers = [target.layer for target in targets]
    return f"{FAMILIES[targets[0].family]}, layers {layers[0]} to {layers[-1]}"


def stacked_shape(targets: Sequence[Target], *, columns: bool) -> tuple[int, int]:
    """Return `[rows, cols]` of weights stacked by rows; transposed first, if by columns."""
    long, wide = (1, 0) if columns else (0, 1)
    return sum(target.shape[long] for target in targets), targets[0].shape[wide]


def allocate(plan: Plan, targets: Sequence[Target]) -> list[Assignment]:
    """Give every target of a plan the share of bytes that its rule keeps.

    Args:
        plan: The last rule that selects a target counts.
        targets: All targets of the model.

    Returns:
        One assignment for each target or group that is not left dense, in the model's order.

    Raises:
        CompressionError: A pattern selects nothing, a method does not apply to a target, or a
            group has unequal widths.
        BudgetError: Nothing fits into a target's budget; the message names it.
    """
    chosen: dict[str, int] = {}
    for index, rule in enumerate(plan.rules):
        for target in select(targets, rule.pattern):
            chosen[target.name] = index
    groups: dict[tuple[object, ...], list[Target]] = {}
    for target in targets:
        index = chosen.get(target.name, -1)
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
    """Targets with equal keys are compressed together."""
    if rule.group == "separated" or target.layer is None:
        return (target.name,)
    return (target.family, target.layer // rule.window if rule.window else 0)


def _assign(targets: tuple[Target, ...], rule: Rule, seed: int) -> Assignment:
    plain = rule.build(seed)
    method = plain.for_target(targets[0])
    for target in targets:
        method.check_applies(target.family, target.name)
    needs = frozenset().union(*(method.required_statistics_for(target) for target in targets))
    if rule.tie == "input" and needs & GATHERED:
        raise CompressionError(
            f"{group_name(targets)}: {method.name} needs {', '.join(sorted(needs))}, which "
            "is gathered at both ends of a tie; use tie=both."
        )
    budget = sum(int(rule.keep * target.nbytes) for target in targets)
    found: list[Assignment] = []
    refused: BudgetError | None = None
    for columns in _orientations(targets, rule, method):
        shape = stacked_shape(targets, columns=columns)
        # What fits a target's rows does not fit its columns.
        used = plain if columns else method
        try:
            preview = used.preview(shape, budget=budget, itemsize=targets[0].itemsize)
        except BudgetError as error:
            refused = refused or error
            continue
        except CompressionError as error:
            message = f"{group_name(targets)}, keep {rule.keep:g}: {error}"
            raise type(error)(message) from error
        found.append(Assignment(targets, rule, used, preview, columns))
    if not found:
        message = f"{group_name(targets)}, keep {rule.keep:g}: {refused}"
        raise BudgetError(message) from refused
    # Rows come first, and stay unless columns leave more.
    return max(found, key=lambda item: item.preview.rank or 0)


def _orientations(targets: Sequence[Target], rule: Rule, method: Method) -> list[bool]:
    """Return whether columns may be the data, for each possibility; rows first.

    Raises:
        CompressionError: The group does not fit together that way.
    """
    # A statistic belongs to rows or to inputs, and a token is a row.
    needs = method.required_statistics_for(targets[0])
    rows_only = bool(needs - {"perplexity"}) or targets[0].family in TABLES
    # Estimated losses as well are known of rows only.
    rows_only = rows_only or rule.allocation != UNIFORM
    if rule.orientation == "columns" and rows_only:
        why = f"{method.name} weighs rows or inputs"
        if rule.allocation != UNIFORM:
            why = f"allocation {rule.allocation} knows what rows cost"
        if targets[0].family in TABLES:
            why = f"{method.name} works on tokens"
        raise CompressionError(
            f"{group_name(targets)}: {why}, so columns cannot be the data; use orientation rows "
            "or automatic."
        )
    wanted = {"rows": [False], "columns": [True]}.get(
        rule.orientation, [False] if rows_only else [False, True]
    )
    fitting = [c for c in wanted if len({t.shape[0 if c else 1] for t in targets}) == 1]
    if not fitting:
        sizes = sorted({target.shape for target in targets})
        side = {"rows": "widths", "columns": "heights"}.get(rule.orientation, "shapes")
        raise CompressionError(
            f"{group_name(targets)} cannot be concatenated: unequal {side} "
            f"({', '.join(f'{rows} × {cols}' for rows, cols in sizes)}). Compress them separated, "
            "or narrow the pattern."
        )
    return fitting
