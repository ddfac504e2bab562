"""Changing a plan matrix by matrix: patterns for what was chosen, rules without the idle ones.

Knows no torch and no page.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from compress_lib.models.targets import FAMILIES, Target, matches
from compress_lib.plan.rule import DENSE, GROUPINGS, UNIFORM, Rule


@dataclass(frozen=True)
class LayerGrid:
    """A model's matrices as a table of layers by families.

    Attributes:
        families: The columns, in the order of `FAMILIES`; those of matrices within layers.
        layers: The rows.
        outside: Matrices of no layer, such as token tables.
        cells: The matrices of a layer and family.
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
        """Return the matrices of a layer; with `among`, those of such names."""
        members = [t for family in self.families for t in self.cells.get((layer, family), ())]
        return [t for t in members if among is None or t.name in among]


def pattern_for(chosen: Collection[str], targets: Sequence[Target]) -> str:
    """Return a short pattern that selects exactly some of the targets.

    Args:
        chosen: Names of targets; at least one.
        targets: All targets of the model.

    Returns:
        `*` for all, else families, layers, families within layers, and names for what is left.
    """
    wanted = set(chosen)
    if all(target.name in wanted for target in targets):
        return "*"
    grid = LayerGrid.of(targets)
    left = {target.name for target in targets if target.name in wanted}
    parts: list[str] = []

    def take(part: str, members: Sequence[Target]) -> None:
        names = {target.name for target in members}
        # What is said by one name only is said at the end, by that name or by its cell.
        if names & left and names <= wanted:
            parts.append(part)
            left.difference_update(names)

    for family in dict.fromkeys(target.family for target in targets):
        take(family, [target for target in targets if target.family == family])
    whole = [layer for layer in grid.layers if len(grid.row(layer, left)) > 1]
    full = [layer for layer in whole if all(t.name in wanted for t in grid.row(layer))]
    for first, last in _runs(full, grid.layers):
        members = [t for layer in full if first <= layer <= last for t in grid.row(layer)]
        take(_within("", first, last), members)
    for family in grid.families:
        cells = {layer: grid.cells.get((layer, family), ()) for layer in grid.layers}
        mine = [
            layer
            for layer, members in cells.items()
            if any(t.name in left for t in members) and all(t.name in wanted for t in members)
        ]
        for first, last in _runs(mine, grid.layers):
            members = [t for layer in mine if first <= layer <= last for t in cells[layer]]
            take(_within(family, first, last), members)
    return ",".join([*parts, *(target.name for target in targets if target.name in left)])


def edit_rules(
    rules: Sequence[Rule], pattern: str, method: str, keep: float, targets: Sequence[Target]
) -> tuple[Rule, ...]:
    """Return the rules with one more, without those that no target follows any longer.

    The first rule says what the plan as a whole does, and stays. What the new rule does not say,
    such as how bytes are shared out, it takes from the first.

    Args:
        rules: At least one.
        pattern: What the new rule selects.
        method: What it does; `dense` leaves alone.
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
    """Return rules by which what a pattern selects follows the first rule again."""
    again = {target.name for target in targets if matches(target, pattern)}
    found = [rules[0]]
    for rule in rules[1:]:
        own = [target.name for target in targets if matches(target, rule.pattern)]
        kept = [name for name in own if name not in again]
        if len(kept) == len(own):
            found.append(rule)
        elif kept:
            found.append(replace(rule, pattern=pattern_for(kept, targets)))
    return without_idle(found, targets)


def without_idle(rules: Sequence[Rule], targets: Sequence[Target]) -> tuple[Rule, ...]:
    """Return the rules that some target follows, and always the first one.

    A rule that says of all its targets what they follow anyway is idle as well.
    """
    chosen = [{t.name for t in targets if matches(t, rule.pattern)} for rule in rules]
    said = [_assignment(rule, index) for index, rule in enumerate(rules)]

    def follow(kept: Sequence[int]) -> list[object]:
        last = ({name: index for index in kept for name in chosen[index]}).get
        places = (last(target.name) for target in targets)
        return [None if place is None else said[place] for place in places]

    kept = list(range(len(rules)))
    before = follow(kept)
    for index in range(1, len(rules)):
        fewer = [other for other in kept if other != index]
        if follow(fewer) == before:
            kept = fewer
    return tuple(rules[index] for index in kept)


def presets(rule: Rule, grid: LayerGrid) -> dict[str, tuple[Rule, ...]]:
    """Return usual plans by name, with the method and the keep of a rule.

    Args:
        rule: What shall happen to whatever is compressed.
        grid: Of the model.
    """
    last = grid.layers[-1] if grid.layers else 0
    ends = ",".join(dict.fromkeys(f"@{layer}" for layer in (0, last)))
    found: dict[str, tuple[Rule, ...]] = {"uniform": (replace(rule, pattern="*"),)}
    if len(grid.layers) > 2:
        protected = Rule(pattern=ends, method=DENSE)
        found["protect_ends"] = (replace(rule, pattern="*"), protected)
    for name, families in PARTS.items():
        present = [family for family in families if family in grid.families]
        present += [t.family for t in grid.outside if t.family in families]
        if present:
            pattern = ",".join(dict.fromkeys(present))
            found[name] = (replace(rule, pattern=pattern),)
    # Whatever decides its own size, such as int8, has no keep to share out.
    keep = rule.keep if rule.keep < 1 else HALF
    found["automatic"] = (Rule(pattern="*", method="mixed", keep=keep, allocation="automatic"),)
    return found


HALF = 0.5
"""Of the bytes: where a rule names no size."""


PARTS = {
    "attention": ("query", "key", "value", "attention_output"),
    "ffn": ("ffn_gate", "ffn_in", "ffn_out"),
    "embedding": ("embedding",),
}
"""Parts of a model that are often compressed alone."""


def _assignment(rule: Rule, place: int) -> dict[str, object] | None:
    """Return what a rule says of each of its targets; None where it leaves them alone."""
    if rule.method == DENSE:
        return None
    said = {**rule.canonical(0), "pattern": ""}
    # Bytes are shared out, and matrices grouped, among those of one rule.
    together = rule.allocation != UNIFORM or rule.group == GROUPINGS[1]
    return said | ({"place": place} if together else {})


def _runs(chosen: Sequence[int], layers: Sequence[int]) -> list[tuple[int, int]]:
    """Return first and last of the stretches of `layers` of which all are chosen."""
    runs: list[tuple[int, int]] = []
    wanted, open_run = set(chosen), False
    for layer in layers:
        if layer in wanted:
            runs.append((runs.pop()[0], layer) if open_run else (layer, layer))
        open_run = layer in wanted
    return runs


def _within(which: str, first: int, last: int) -> str:
    return f"{which}@{first}" if first == last else f"{which}@{first}-{last}"
