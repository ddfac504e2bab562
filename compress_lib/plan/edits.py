"""Rule edits for the layer map: patterns for selected matrices, and removal of idle rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from compress_lib.models.targets import FAMILIES, Target, matches
from compress_lib.plan.rule import DENSE, GROUPINGS, UNIFORM, Rule


@dataclass(frozen=True)
class LayerGrid:
    """A model's matrices as a table of layers × module types.

    Attributes:
        families: The module types within layers, in the order of `FAMILIES`: the columns.
        layers: The layer indices: the rows.
        outside: Matrices that belong to no layer, such as the embedding.
        cells: The matrices of each layer and module type.
    """

    families: tuple[str, ...]
    layers: tuple[int, ...]
    outside: tuple[Target, ...]
    cells: dict[tuple[int, str], tuple[Target, ...]]

    @classmethod
    def of(cls, targets: Sequence[Target]) -> LayerGrid:
        """Arrange the targets of a model."""
        cells: dict[tuple[int, str], tuple[Target, ...]] = {}
        for target in targets:
            if target.layer is not None:
                place = (target.layer, target.family)
                cells[place] = (*cells.get(place, ()), target)
        present = {family for _, family in cells}
        return cls(
            families=tuple(family for family in FAMILIES if family in present),
            layers=tuple(sorted({layer for layer, _ in cells})),
            outside=tuple(target for target in targets if target.layer is None),
            cells=cells,
        )

    def row(self, layer: int, among: Collection[str] | None = None) -> list[Target]:
        """Return the matrices of a layer, optionally only those whose names are in `among`."""
        members = [t for family in self.families for t in self.cells.get((layer, family), ())]
        return [t for t in members if among is None or t.name in among]


def pattern_for(chosen: Collection[str], targets: Sequence[Target]) -> str:
    """Return a short pattern that selects exactly the chosen targets.

    Args:
        chosen: Names of targets; at least one.
        targets: All targets of the model.

    Returns:
        `*` for all targets, else module types, layers, module types within layers, and names for
        the remaining targets, separated by commas.
    """
    wanted = set(chosen)
    if all(target.name in wanted for target in targets):
        return "*"
    grid = LayerGrid.of(targets)
    remaining = {target.name for target in targets if target.name in wanted}
    parts: list[str] = []

    def take(part: str, members: Sequence[Target]) -> None:
        names = {target.name for target in members}
        if names & remaining and names <= wanted:
            parts.append(part)
            remaining.difference_update(names)

    for family in dict.fromkeys(target.family for target in targets):
        take(family, [target for target in targets if target.family == family])
    # A layer with one remaining matrix is shorter as a cell or a name.
    several = [layer for layer in grid.layers if len(grid.row(layer, remaining)) > 1]
    full = [layer for layer in several if all(t.name in wanted for t in grid.row(layer))]
    for first, last in _runs(full, grid.layers):
        members = [t for layer in full if first <= layer <= last for t in grid.row(layer)]
        take(_within("", first, last), members)
    for family in grid.families:
        cells = {layer: grid.cells.get((layer, family), ()) for layer in grid.layers}
        layers = [
            layer
            for layer, members in cells.items()
            if any(t.name in remaining for t in members) and all(t.name in wanted for t in members)
        ]
        for first, last in _runs(layers, grid.layers):
            members = [t for layer in layers if first <= layer <= last for t in cells[layer]]
            take(_within(family, first, last), members)
    return ",".join([*parts, *(target.name for target in targets if target.name in remaining)])


def edit_rules(
    rules: Sequence[Rule], pattern: str, method: str, keep: float, targets: Sequence[Target]
) -> tuple[Rule, ...]:
    """Append a rule, and drop the rules that no longer apply to any target.

    The first rule is the plan's default and stays. The new rule inherits everything that is not
    an argument here, such as the allocation, from the first rule that compresses.

    Args:
        rules: The plan's rules; at least one.
        pattern: The targets of the new rule.
        method: Its method; `dense` leaves its targets uncompressed.
        keep: Bytes after ÷ bytes before.
        targets: All targets of the model.
    """
    first = next((rule for rule in rules if rule.method != DENSE), rules[0])
    options = next((rule.options for rule in reversed(rules) if rule.method == method), {})
    if method == DENSE:
        added = Rule(pattern=pattern, method=DENSE)
    else:
        added = replace(first, pattern=pattern, method=method, keep=keep, options=options)
    return without_idle([*rules, added], targets)


def clear_rules(rules: Sequence[Rule], pattern: str, targets: Sequence[Target]) -> tuple[Rule, ...]:
    """Reset the targets that a pattern selects to the first rule.

    Args:
        rules: The plan's rules; at least one.
        pattern: The targets to reset.
        targets: All targets of the model.
    """
    reset = {target.name for target in targets if matches(target, pattern)}
    new_rules = [rules[0]]
    for rule in rules[1:]:
        selected = [target.name for target in targets if matches(target, rule.pattern)]
        kept = [name for name in selected if name not in reset]
        if len(kept) == len(selected):
            new_rules.append(rule)
        elif kept:
            new_rules.append(replace(rule, pattern=pattern_for(kept, targets)))
    return without_idle(new_rules, targets)


def without_idle(rules: Sequence[Rule], targets: Sequence[Target]) -> tuple[Rule, ...]:
    """Drop the rules that change nothing; the first rule always stays.

    A rule is idle if later rules override it for all of its targets, or if its targets would be
    treated the same without it.

    Args:
        rules: The plan's rules.
        targets: All targets of the model.
    """
    selected = [{t.name for t in targets if matches(t, rule.pattern)} for rule in rules]
    treatments = [_treatment(rule, index) for index, rule in enumerate(rules)]

    def treatment_of_targets(kept: Sequence[int]) -> list[object]:
        last = ({name: index for index in kept for name in selected[index]}).get
        indices = (last(target.name) for target in targets)
        return [None if index is None else treatments[index] for index in indices]

    kept = list(range(len(rules)))
    before = treatment_of_targets(kept)
    for index in range(1, len(rules)):
        fewer = [other for other in kept if other != index]
        if treatment_of_targets(fewer) == before:
            kept = fewer
    return tuple(rules[index] for index in kept)


def presets(rule: Rule, grid: LayerGrid) -> dict[str, tuple[Rule, ...]]:
    """Return the rules of common plans by name, with the method and the keep of a rule.

    Args:
        rule: The rule for all compressed targets.
        grid: The model's layer grid.
    """
    last = grid.layers[-1] if grid.layers else 0
    ends = ",".join(dict.fromkeys(f"@{layer}" for layer in (0, last)))
    plans: dict[str, tuple[Rule, ...]] = {"uniform": (replace(rule, pattern="*"),)}
    if len(grid.layers) > 2:
        protected = Rule(pattern=ends, method=DENSE)
        plans["protect_ends"] = (replace(rule, pattern="*"), protected)
    for name, families in PARTS.items():
        present = [family for family in families if family in grid.families]
        present += [t.family for t in grid.outside if t.family in families]
        if present:
            pattern = ",".join(dict.fromkeys(present))
            plans[name] = (replace(rule, pattern=pattern),)
    # The size of methods such as int8 follows from their options, so there is no keep to reuse.
    keep = rule.keep if rule.keep < 1 else HALF
    plans["automatic"] = (Rule(pattern="*", method="mixed", keep=keep, allocation="automatic"),)
    return plans


HALF = 0.5
"""Default keep of the `automatic` plan if the rule has none below 1."""


PARTS = {
    "attention": ("query", "key", "value", "attention_output"),
    "ffn": ("ffn_gate", "ffn_in", "ffn_out"),
    "embedding": ("embedding",),
}
"""Parts of a model that are often compressed alone, by the name of their plan."""


def _treatment(rule: Rule, index: int) -> dict[str, object] | None:
    """Return a rule's effect on one target, comparable by equality; None if it stays dense."""
    if rule.method == DENSE:
        return None
    effect = {**rule.canonical(0), "pattern": ""}
    # Allocation and grouping act on all targets of one rule, so equal rules still differ.
    joint = rule.allocation != UNIFORM or rule.group == GROUPINGS[1]
    return effect | ({"index": index} if joint else {})


def _runs(chosen: Sequence[int], layers: Sequence[int]) -> list[tuple[int, int]]:
    """Return first and last layer of every run of consecutive `layers` that are all chosen."""
    runs: list[tuple[int, int]] = []
    wanted, open_run = set(chosen), False
    for layer in layers:
        if layer in wanted:
            runs.append((runs.pop()[0], layer) if open_run else (layer, layer))
        open_run = layer in wanted
    return runs


def _within(family: str, first: int, last: int) -> str:
    return f"{family}@{first}" if first == last else f"{family}@{first}-{last}"
