"""Event handlers of the layer map: select cells, edit their rules, undo and redo."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.methods import is_sized
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import allocate
from compress_lib.plan.edits import LayerGrid, clear_rules, edit_rules, pattern_for, presets
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.ui.common import texts
from compress_lib.ui.common.browser import QUICK
from compress_lib.ui.common.messages import refusal
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import preview, validation
from compress_lib.ui.form.form import PlanPanel
from compress_lib.ui.form.map_history import History, goes_back, history_of, state_of
from compress_lib.ui.form.map_panel import MapPanel
from compress_lib.ui.form.map_table import COLOURS, cell_targets, layer_map, selection_line

MOST_CELLS = 4096
"""Maximum number of cells in a selection."""


class MapEvents:
    """Event handlers of the layer map.

    Args:
        panel: The components of the map.
        engine: Provides the shapes of models' matrices, and runs.
        form: The form with the plan.
        current: Component with the key of the shown run.
    """

    def __init__(self, panel: MapPanel, engine: Engine, form: PlanPanel, current: Any) -> None:
        self.panel = panel
        self.engine = engine
        self.form = form
        self.current = current
        self.inputs = {panel.colour, panel.chosen, panel.history, current}
        self.drawn = [panel.map, panel.selection, panel.undo]

    def connect(self) -> None:
        """Connect the events."""
        panel, fields = self.panel, self.form.inputs
        # Changes of the plan redraw the map through `FormEvents.preview`.
        gr.on(
            [panel.colour.change, self.current.change],
            self.draw,
            {*self.inputs, *fields},
            self.drawn,
            trigger_mode="always_last",
            **QUICK,
        )
        # Clicks may arrive faster than answers: only the last selection counts.
        tool = {panel.method, panel.keep}
        panel.map.select(
            self.choose,
            tool | fields,
            [panel.chosen, panel.selection],
            trigger_mode="always_last",
            **QUICK,
        )
        try_event = (self.try_tool, {panel.chosen, *tool, *fields}, panel.selection)
        panel.keep.change(*try_event, trigger_mode="always_last", **QUICK)
        panel.method.change(*try_event, trigger_mode="multiple", **QUICK)
        panel.method.change(
            lambda method: gr.update(interactive=not is_sized(method)),
            panel.method,
            panel.keep,
            trigger_mode="multiple",
            **QUICK,
        )
        edits = (
            (panel.apply.click, self.apply),
            (panel.dense.click, self.leave),
            (panel.clear.click, self.clear),
            (panel.preset.input, self.start_from),
        )
        state = {panel.history, panel.chosen, panel.preset, *tool, *fields}
        changed = {panel.history, panel.undo, panel.redo, *fields}
        for event, change in edits:
            event(change, state, changed, **QUICK)
        for button, step in ((panel.undo, History.undo), (panel.redo, History.redo)):
            button.click(partial(self.step, step), {panel.history, *fields}, changed, **QUICK)

    def draw(self, given: Mapping[Any, Any]) -> list[Any]:
        """Draw the plan in the form on the map, and enable or disable Undo."""
        try:
            plan = self.form.read(given)
        except CompressionError as error:
            return self.refuse(error)
        return self.draw_plan(plan, given)

    @staticmethod
    def refuse(error: CompressionError) -> list[Any]:
        """Show an error message and leave the map and its selection unchanged."""
        return [gr.skip(), preview.complaint(error), gr.skip()]

    def draw_plan(self, plan: Plan, given: Mapping[Any, Any]) -> list[Any]:
        """Return the values of the `drawn` components for a plan."""
        panel = self.panel
        targets, _ = session_runs.find_targets(self.engine, plan.model)
        record = session_runs.lookup(self.engine, given[self.current])
        mode = given[panel.colour] if given[panel.colour] in COLOURS else COLOURS[0]
        named = [target for target in targets if target.name in _names(given[panel.chosen])]
        back = gr.Button(interactive=goes_back(history_of(given[panel.history]), plan))
        return [layer_map(plan, targets, mode, record), selection_line(plan, targets, named), back]

    def choose(self, given: Mapping[Any, Any], event: gr.EventData) -> list[Any]:
        """Select the cells that the browser names, and preview the method and size on them."""
        plan, targets = self._plan(given)
        cells = getattr(event, "_data", None) or {}
        named = cells.get("cells", []) if isinstance(cells, dict) else []
        grid = LayerGrid.of(targets)
        members = [
            target
            for cell in named[:MOST_CELLS]
            if isinstance(cell, str)
            for target in cell_targets(grid, cell)
        ]
        names = [target.name for target in members]
        return [names, self._preview_tool(plan, targets, members, given)]

    def try_tool(self, given: Mapping[Any, Any]) -> str:
        """Preview the selected method and size on the selected matrices."""
        plan, targets = self._plan(given)
        names = _names(given[self.panel.chosen])
        members = [target for target in targets if target.name in names]
        return self._preview_tool(plan, targets, members, given)

    def _preview_tool(
        self,
        plan: Plan,
        targets: Sequence[Target],
        members: Sequence[Target],
        given: Mapping[Any, Any],
    ) -> str:
        summary = selection_line(plan, targets, members)
        if not members:
            return summary
        names = {target.name for target in members}
        try:
            rules = self._with_tool(plan, pattern_for(names, targets), given, targets)
            effect = preview.describe_change(self.engine, replace(plan, rules=rules), names)
        except CompressionError as error:
            effect = str(error)
        return f'{summary}<p class="chosen quiet">{escape(effect)}</p>'

    def apply(self, given: Mapping[Any, Any]) -> dict[Any, Any]:
        """Apply the selected method and size to the selected matrices."""
        plan, targets = self._plan(given)
        pattern = self._pattern(given, targets)
        return self._write(given, plan, lambda: self._with_tool(plan, pattern, given, targets))

    def leave(self, given: Mapping[Any, Any]) -> dict[Any, Any]:
        """Keep the selected matrices dense."""
        plan, targets = self._plan(given)
        pattern = self._pattern(given, targets)
        return self._write(
            given, plan, lambda: edit_rules(plan.rules, pattern, DENSE, 1.0, targets)
        )

    def clear(self, given: Mapping[Any, Any]) -> dict[Any, Any]:
        """Reset the selected matrices to the plan's first rule."""
        plan, targets = self._plan(given)
        pattern = self._pattern(given, targets)
        return self._write(given, plan, lambda: clear_rules(plan.rules, pattern, targets))

    def start_from(self, given: Mapping[Any, Any]) -> Any:
        """Fill the form with a preset, with the form's current method and size."""
        plan, targets = self._plan(given)
        first = next((rule for rule in plan.rules if rule.method != DENSE), Rule())
        choices = presets(first, LayerGrid.of(targets))
        name = given[self.panel.preset]
        if name not in choices:
            return gr.skip()
        return self._write(given, plan, lambda: choices[name])

    def step(self, step: Callable[[History], History], given: Mapping[Any, Any]) -> dict[Any, Any]:
        """Undo or redo a change; edits made in the form since the last change count as one."""
        plan, _ = self._plan(given)
        history = step(history_of(given[self.panel.history]).record(state_of(plan)))
        assert history.now is not None
        before = Plan.from_json({**plan.to_json(), "rules": json.loads(history.now)})
        return self._step(history, before)

    def _plan(self, given: Mapping[Any, Any]) -> tuple[Plan, tuple[Target, ...]]:
        """Return the plan in the form and the matrices of its model."""
        try:
            plan = self.form.read(given)
        except CompressionError as error:
            raise refusal(error) from error
        return plan, session_runs.find_targets(self.engine, plan.model)[0]

    def _pattern(self, given: Mapping[Any, Any], targets: Sequence[Target]) -> str:
        names = _names(given[self.panel.chosen]) & {target.name for target in targets}
        if not names:
            raise refusal(texts.MAP_NOTHING)
        return pattern_for(names, targets)

    def _write(
        self, given: Mapping[Any, Any], plan: Plan, make: Callable[[], tuple[Rule, ...]]
    ) -> dict[Any, Any]:
        """Return updates of the history and the form for a plan with other rules.

        Raises:
            gr.Error: The rules are invalid, or too many for the form.
        """
        try:
            changed = replace(plan, rules=make())
            allocate(changed, session_runs.find_targets(self.engine, plan.model)[0])
        except CompressionError as error:
            raise refusal(error) from error
        if len(changed.rules) > validation.MAX_OVERRIDES:
            message = texts.MAP_FULL.format(
                count=len(changed.rules), limit=validation.MAX_OVERRIDES
            )
            raise refusal(message)
        history = history_of(given[self.panel.history]).record(state_of(plan))
        return self._step(history.record(state_of(changed)), changed)

    def _step(self, history: History, plan: Plan) -> dict[Any, Any]:
        """Return updates of the history, the Undo and Redo buttons, and the form."""
        panel = self.panel
        return {
            panel.history: {"past": list(history.past), "future": list(history.future)},
            panel.undo: gr.Button(interactive=goes_back(history, plan)),
            panel.redo: gr.Button(interactive=bool(history.future)),
            **self.form.fill(plan),
        }

    def _with_tool(
        self, plan: Plan, pattern: str, given: Mapping[Any, Any], targets: Sequence[Target]
    ) -> tuple[Rule, ...]:
        """Return a plan's rules with the selected method and size applied to a pattern."""
        method = str(given[self.panel.method])
        share = validation.share_of(method, given[self.panel.keep])
        return edit_rules(plan.rules, pattern, method, share, targets)


def _names(chosen: Any) -> set[str]:
    return {name for name in chosen if isinstance(name, str)} if isinstance(chosen, list) else set()
