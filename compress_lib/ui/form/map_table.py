"""The plan as a map: a cell for every layer and family, coloured by what happens to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from compress_lib.errors import CompressionError
from compress_lib.models.targets import FAMILIES, Target
from compress_lib.plan.allocation import Assignment, allocate
from compress_lib.plan.edits import LayerGrid
from compress_lib.plan.plan import Plan
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import texts
from compress_lib.utils.formatting import format_bytes, format_share

SHORT = {
    "embedding": "Emb",
    "head": "Head",
    "query": "Q",
    "key": "K",
    "value": "V",
    "attention_output": "O",
    "ffn_gate": "Gate",
    "ffn_in": "Up",
    "ffn_out": "Down",
    "other": "…",
}
"""What fits above a column."""

COLOURS = tuple(texts.MAP_COLOURS)
HUES = (265, 155, 40, 200, 340, 100, 20, 300)
"""Of methods, in degrees, in the order in which they occur."""

BIGGER = 20
"""Of a matrix that would take more bytes than before."""


@dataclass(frozen=True)
class MapCell:
    """What a cell shows.

    Attributes:
        words: In the cell: a few letters.
        told: When asked for, and to those who do not see it.
        strength: From 0 to 1, how strong its colour is.
        hue: In degrees.
    """

    words: str
    told: str
    strength: float
    hue: int


def cell_targets(grid: LayerGrid, cell: str) -> tuple[Target, ...]:
    """Return the matrices of a cell by its name, `layer|family` or the target's own name."""
    layer, bar, family = cell.partition("|")
    if bar and layer.isdecimal():
        return grid.cells.get((int(layer), family), ())
    return tuple(target for target in grid.outside if target.name == cell)


def layer_map(
    plan: Plan, targets: Sequence[Target], colour: str, record: RunRecord | None = None
) -> str:
    """Return the map as HTML.

    Args:
        plan: What is coloured.
        targets: All matrices of its model.
        colour: One of `COLOURS`.
        record: The run whose measured errors may be shown.
    """
    if not targets:
        return f'<p class="quiet">{escape(texts.UNKNOWN_SHAPES)}</p>'
    complaint, assigned = "", []
    try:
        assigned = allocate(plan, targets)
    except CompressionError as error:
        # Cells can be chosen all the same, so that another choice can mend it.
        complaint = f'<p class="quiet">{escape(str(error))}</p>'
    grid = LayerGrid.of(targets)
    painter = _Painter(assigned, colour, _errors(record, plan))
    label = escape(texts.MAP, quote=True)
    return (
        f'{complaint}<table class="map" aria-label="{label}">{_head(grid)}'
        f"<tbody>{_tables(grid, painter)}{_layers(grid, painter)}</tbody></table>"
        f"{_legend(colour, painter.hues)}{_abbreviations(grid)}"
    )


def selection_line(plan: Plan, targets: Sequence[Target], chosen: Sequence[Target]) -> str:
    """Say, as HTML, what is chosen and what the plan does with it."""
    if not chosen:
        return f'<p class="chosen quiet">{escape(texts.MAP_NOTHING)}</p>'
    names = {target.name for target in chosen}
    before = sum(target.nbytes for target in chosen)
    try:
        assigned = allocate(plan, targets)
    except CompressionError:
        assigned = []
    mine = [item for item in assigned if names & {target.name for target in item.targets}]
    covered = {target.name for item in mine for target in item.targets} & names
    dense = sum(target.nbytes for target in chosen if target.name not in covered)
    after = dense + sum(
        (item.preview.nbytes + item.retained_bytes)
        * len(names & {t.name for t in item.targets})
        // len(item.targets)
        for item in mine
    )
    what = chosen[0].name if len(chosen) == 1 else texts.MAP_COUNT.format(count=len(chosen))
    told = texts.MAP_CHOSEN.format(
        what=what, before=format_bytes(before), after=format_bytes(after)
    )
    return f'<p class="chosen">{escape(told)}</p>'


class _Painter:
    """Draws cells of one plan.

    Args:
        assigned: What happens to the matrices of the plan.
        colour: One of `COLOURS`.
        errors: Measured relative errors by target.
    """

    def __init__(
        self, assigned: Sequence[Assignment], colour: str, errors: Mapping[str, float]
    ) -> None:
        self.colour = colour
        self.errors = errors
        self.by_name = {target.name: item for item in assigned for target in item.targets}
        methods = dict.fromkeys(item.method.name for item in assigned)
        self.hues = {name: HUES[index % len(HUES)] for index, name in enumerate(methods)}

    def button(self, name: str, row: str, members: Sequence[Target], span: int = 1) -> str:
        """Return the cell of some matrices as HTML."""
        found = self.cell(members[0])
        told = escape(found.told, quote=True)
        wide = f' colspan="{span}"' if span > 1 else ""
        return (
            f'<td{wide}><button type="button" class="cell" data-cell="{escape(name, quote=True)}" '
            f'data-row="{escape(row, quote=True)}" data-column="{members[0].family}" '
            f'style="--s:{found.strength:.2f};--h:{found.hue}" aria-pressed="false" tabindex="-1" '
            f'title="{told}" aria-label="{told}">{escape(found.words)}</button></td>'
        )

    def cell(self, target: Target) -> MapCell:
        """Say what happens to a matrix; it stands for all of its cell."""
        item = self.by_name.get(target.name)
        where = FAMILIES[target.family]
        if target.layer is not None:
            where = texts.MAP_PLACE.format(family=where, layer=target.layer)
        if self.colour == "error":
            return self._error_cell(where, self.errors.get(target.name))
        if item is None:
            return MapCell("·", f"{where}: {texts.MAP_DENSE}", 0.0, HUES[0])
        share = (item.preview.nbytes + item.retained_bytes) / item.nbytes
        told = f"{where}: {item.method.label}, {format_share(share, 0)}"
        if item.needs_allocation:
            told += f", {texts.MAP_PENDING}"
        elif item.preview.rank is not None:
            told += f", {texts.MAP_RANK.format(rank=item.preview.rank, full=min(item.shape))}"
        if self.colour == "method":
            return MapCell(item.method.label[:3], told, 0.6, self.hues[item.method.name])
        # What is shared out is known when it runs: until then this is what all keep on average.
        about = "~" if item.needs_allocation else ""
        if share > 1:
            return MapCell(f"{100 * share:.0f} ↑", told, 0.6, BIGGER)
        return MapCell(f"{about}{100 * share:.0f}", told, max(0.06, 1 - share), HUES[0])

    @staticmethod
    def _error_cell(where: str, error: float | None) -> MapCell:
        """Return the cell of an error that the shown run has, whatever the plan says now."""
        if error is None:
            return MapCell("", f"{where}: {texts.MAP_NO_ERROR}", 0.0, HUES[0])
        # A relative error of 1 has nothing left of the matrix.
        told = f"{where}: {texts.MAP_ERROR.format(error=error)}"
        return MapCell(f"{100 * error:.0f}", told, min(1.0, error) ** 0.5, 20)


def _head(grid: LayerGrid) -> str:
    """Return the buttons that choose columns, and all cells."""
    columns = "".join(
        f'<th scope="col"><button type="button" data-column="{family}" tabindex="-1" '
        f'title="{escape(FAMILIES[family])}" aria-label="{escape(FAMILIES[family])}">'
        f"{SHORT[family]}</button></th>"
        for family in grid.families
    )
    return (
        f'<thead><tr><th><button type="button" data-all="1" tabindex="0" '
        f'aria-label="{texts.MAP_ALL}">{texts.MAP_ALL}</button></th>{columns}</tr></thead>'
    )


def _tables(grid: LayerGrid, painter: _Painter) -> str:
    """Return the row of matrices that belong to no layer, if there are any."""
    if not grid.outside:
        return ""
    span = max(1, len(grid.families) // len(grid.outside))
    cells = "".join(painter.button(t.name, "tables", (t,), span) for t in grid.outside)
    return f'<tr class="tables">{_row_head("tables", texts.MAP_TABLES)}{cells}</tr>'


def _layers(grid: LayerGrid, painter: _Painter) -> str:
    rows = []
    for layer in grid.layers:
        cells = "".join(
            painter.button(f"{layer}|{family}", str(layer), grid.cells[(layer, family)])
            if (layer, family) in grid.cells
            else "<td></td>"
            for family in grid.families
        )
        rows.append(f"<tr>{_row_head(str(layer), texts.MAP_LAYER.format(layer=layer))}{cells}</tr>")
    return "".join(rows)


def _errors(record: RunRecord | None, plan: Plan) -> dict[str, float]:
    """Return the measured relative errors of a run of the plan's model, by target."""
    if record is None or record.plan.model != plan.model:
        return {}
    return {target.names[0]: target.relative_error for target in record.targets}


def _row_head(row: str, label: str) -> str:
    short = row if row.isdecimal() else texts.MAP_TABLES_SHORT
    return (
        f'<th scope="row"><button type="button" data-row="{row}" tabindex="-1" '
        f'title="{escape(label)}" aria-label="{escape(label)}">{escape(short)}</button></th>'
    )


def _abbreviations(grid: LayerGrid) -> str:
    """Say what the letters above and beside the cells stand for."""
    letters = [(SHORT[family], FAMILIES[family]) for family in grid.families]
    letters += [(texts.MAP_TABLES_SHORT, texts.MAP_TABLES)] if grid.outside else []
    told = ", ".join(f"{short}: {full}" for short, full in letters if len(short) < 3)
    return f'<p class="quiet">{escape(told)}.</p>' if told else ""


def _legend(colour: str, hues: Mapping[str, int]) -> str:
    """Say what the colours mean."""
    from compress_lib.methods import METHODS

    if colour != "method":
        return f'<p class="quiet">{escape(texts.MAP_COLOUR_HELP[colour])}</p>'
    items = "".join(
        f'<li><span class="swatch" style="--h:{hue}"></span>{escape(METHODS[name].label)}</li>'
        for name, hue in hues.items()
    )
    return f'<ul class="legend">{items}</ul>'
