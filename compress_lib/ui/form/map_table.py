"""Layer map as an HTML table: one cell per layer and module type, coloured by size or error."""

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
"""Column headings: module types, abbreviated."""

COLOURS = tuple(texts.MAP_COLOURS)
HUES = (265, 155, 40, 200, 340, 100, 20, 300)
"""Hues of methods in degrees, in order of occurrence."""

BIGGER = 20
"""Hue in degrees of a matrix that becomes larger."""


@dataclass(frozen=True)
class MapCell:
    """Contents of a cell.

    Attributes:
        words: Text in the cell, a few letters.
        tooltip: Tooltip and accessible label.
        strength: Colour strength from 0 to 1.
        hue: Hue in degrees.
    """

    words: str
    tooltip: str
    strength: float
    hue: int


def cell_targets(grid: LayerGrid, cell: str) -> tuple[Target, ...]:
    """Return the matrices of a cell.

    Args:
        grid: The layout of the map.
        cell: Name of the cell: `layer|family`, or the name of a target outside the layers.
    """
    layer, bar, family = cell.partition("|")
    if bar and layer.isdecimal():
        return grid.cells.get((int(layer), family), ())
    return tuple(target for target in grid.outside if target.name == cell)


def layer_map(
    plan: Plan, targets: Sequence[Target], colour: str, record: RunRecord | None = None
) -> str:
    """Return the map as HTML.

    Args:
        plan: The plan to show.
        targets: All matrices of its model.
        colour: Colour mode, one of `COLOURS`.
        record: Run whose measured errors are shown in the mode `error`.
    """
    if not targets:
        return f'<p class="quiet">{escape(texts.UNKNOWN_SHAPES)}</p>'
    complaint, assigned = "", []
    try:
        assigned = allocate(plan, targets)
    except CompressionError as error:
        # Cells stay selectable, so that the plan can be corrected on the map.
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
    """Return the selected matrices and their bytes before and after the plan, as HTML.

    Args:
        plan: The plan.
        targets: All matrices of its model.
        chosen: The selected ones.
    """
    if not chosen:
        return f'<p class="chosen quiet">{escape(texts.MAP_NOTHING)}</p>'
    names = {target.name for target in chosen}
    before = sum(target.nbytes for target in chosen)
    try:
        assigned = allocate(plan, targets)
    except CompressionError:
        assigned = []
    affected = [item for item in assigned if names & {target.name for target in item.targets}]
    covered = {target.name for item in affected for target in item.targets} & names
    dense = sum(target.nbytes for target in chosen if target.name not in covered)
    after = dense + sum(
        (item.preview.nbytes + item.retained_bytes)
        * len(names & {t.name for t in item.targets})
        // len(item.targets)
        for item in affected
    )
    what = chosen[0].name if len(chosen) == 1 else texts.MAP_COUNT.format(count=len(chosen))
    summary = texts.MAP_CHOSEN.format(
        what=what, before=format_bytes(before), after=format_bytes(after)
    )
    return f'<p class="chosen">{escape(summary)}</p>'


class _Painter:
    """Renders the cells of a plan.

    Args:
        assigned: Assignments of the plan's matrices.
        colour: Colour mode, one of `COLOURS`.
        errors: Measured relative errors by target name.
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
        """Return the cell of one or more matrices as HTML."""
        cell = self.cell(members[0])
        label = escape(cell.tooltip, quote=True)
        wide = f' colspan="{span}"' if span > 1 else ""
        return (
            f'<td{wide}><button type="button" class="cell" data-cell="{escape(name, quote=True)}" '
            f'data-row="{escape(row, quote=True)}" data-column="{members[0].family}" '
            f'style="--s:{cell.strength:.2f};--h:{cell.hue}" aria-pressed="false" tabindex="-1" '
            f'title="{label}" aria-label="{label}">{escape(cell.words)}</button></td>'
        )

    def cell(self, target: Target) -> MapCell:
        """Return the cell of a matrix, which represents all matrices of the cell."""
        item = self.by_name.get(target.name)
        where = FAMILIES[target.family]
        if target.layer is not None:
            where = texts.MAP_PLACE.format(family=where, layer=target.layer)
        if self.colour == "error":
            return self._error_cell(where, self.errors.get(target.name))
        if item is None:
            return MapCell("·", f"{where}: {texts.MAP_DENSE}", 0.0, HUES[0])
        share = (item.preview.nbytes + item.retained_bytes) / item.nbytes
        label = f"{where}: {item.method.label}, {format_share(share, 0)}"
        if item.needs_allocation:
            label += f", {texts.MAP_PENDING}"
        elif item.preview.rank is not None:
            label += f", {texts.MAP_RANK.format(rank=item.preview.rank, full=min(item.shape))}"
        if self.colour == "method":
            return MapCell(item.method.label[:3], label, 0.6, self.hues[item.method.name])
        # Allocated sizes are known at run time; until then the average is shown.
        about = "~" if item.needs_allocation else ""
        if share > 1:
            return MapCell(f"{100 * share:.0f} ↑", label, 0.6, BIGGER)
        return MapCell(f"{about}{100 * share:.0f}", label, max(0.06, 1 - share), HUES[0])

    @staticmethod
    def _error_cell(where: str, error: float | None) -> MapCell:
        """Return the cell of an error measured in the shown run, which may have another plan."""
        if error is None:
            return MapCell("", f"{where}: {texts.MAP_NO_ERROR}", 0.0, HUES[0])
        # A relative error of 1 is that of a zero matrix.
        label = f"{where}: {texts.MAP_ERROR.format(error=error)}"
        return MapCell(f"{100 * error:.0f}", label, min(1.0, error) ** 0.5, 20)


def _head(grid: LayerGrid) -> str:
    """Return the header row: buttons that select a column or all cells."""
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
    """Return the row of matrices outside the layers, or an empty string."""
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
    """Return the relative errors by target that a run measured; empty for another model."""
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
    """Return the explanation of the abbreviated headings as HTML."""
    letters = [(SHORT[family], FAMILIES[family]) for family in grid.families]
    letters += [(texts.MAP_TABLES_SHORT, texts.MAP_TABLES)] if grid.outside else []
    line = ", ".join(f"{short}: {full}" for short, full in letters if len(short) < 2)
    return f'<p class="quiet">{escape(line)}.</p>' if line else ""


def _legend(colour: str, hues: Mapping[str, int]) -> str:
    """Return the colour legend as HTML."""
    from compress_lib.methods import METHODS

    if colour != "method":
        return f'<p class="quiet">{escape(texts.MAP_COLOUR_HELP[colour])}</p>'
    items = "".join(
        f'<li><span class="swatch" style="--h:{hue}"></span>{escape(METHODS[name].label)}</li>'
        for name, hue in hues.items()
    )
    return f'<ul class="legend">{items}</ul>'
