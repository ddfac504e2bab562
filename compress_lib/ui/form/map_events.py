"""What happens on the map of layers: cells are chosen, changed, and changed back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.methods import is_sized
from compress_lib.models.targets import Target
from compress_lib.plan.allocation import allocate
from compress_lib.plan.edits import LayerGrid, cleared, edited, pattern_for, presets
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.ui.common import texts
from compress_lib.ui.common.browser import QUICK
from compress_lib.ui.common.messages import refusal
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding, preview, validation
from compress_lib.ui.form.map_history import History, goes_back, history_of, state_of, stepped
from compress_lib.ui.form.map_panel import MapPanel
from compress_lib.ui.form.map_table import COLOURS, cell_targets, chosen_line, layer_map

MOST_CELLS = 4096
"""Cells that a browser may name at once."""


class MapEvents:
    """What happens on the map.

    Args:
        panel: The components.
        engine: Knows the matrices of models and the runs.
        fields: The form that holds the plan.
        current: The key of the shown run.
    """

    def __init__(self, panel: MapPanel, engine: Engine, fields: list[Any], current: Any) -> None:
        self.panel = panel
        self.engine = engine
        self.fields = fields
        self.current = current
        self.inputs = [panel.colour, panel.chosen, panel.history, current]
        self.drawn = [panel.map, panel.told, panel.undo]

    def connect(self) -> None:
        """Connect all of it."""
        panel, fields = self.panel, self.fields
        # What changes the plan draws it as well; see `FormEvents`.
        gr.on(
            [panel.colour.change, self.current.change],
            self.draw,
            [*self.inputs, *fields],
            self.drawn,
            trigger_mode="always_last",
            **QUICK,
        )
        # Cells are clicked faster than answers come: the last choice counts.
        tool = [panel.method, panel.keep]
        panel.map.select(
            self.choose,
            [*tool, *fields],
            [panel.chosen, panel.told],
            trigger_mode="always_last",
            **QUICK,
        )
        tried = (self.tried, [panel.chosen, *tool, *fields], panel.told)
        panel.keep.change(*tried, trigger_mode="always_last", **QUICK)
        panel.method.change(*tried, trigger_mode="multiple", **QUICK)
        panel.method.change(
            lambda method: gr.update(interactive=not is_sized(method)),
            panel.method,
            panel.keep,
            trigger_mode="multiple",
            **QUICK,
        )
        edits: list[tuple[Any, Callable[..., Any], list[Any]]] = [
            (panel.apply.click, self.apply, [panel.chosen, panel.method, panel.keep]),
            (panel.dense.click, self.leave, [panel.chosen]),
            (panel.clear.click, self.clear, [panel.chosen]),
            (panel.preset.input, self.start_from, [panel.preset]),
        ]
        changed = [panel.history, panel.undo, panel.redo, *fields]
        for event, change, own in edits:
            event(change, [panel.history, *own, *fields], changed, **QUICK)
        for button, step in ((panel.undo, History.undone), (panel.redo, History.redone)):
            button.click(partial(self.step, step), [panel.history, *fields], changed, **QUICK)

    def draw(self, colour: Any, chosen: Any, history: Any, current: Any, *given: Any) -> list[Any]:
        """Draw the map of what stands in the form, and offer to take back what was done to it."""
        try:
            plan = binding.read(binding.Form.of(given))
        except CompressionError as error:
            return self.refused(error)
        return self.drawn_of(plan, colour, chosen, history, current)

    @staticmethod
    def refused(error: CompressionError) -> list[Any]:
        """Say why nothing is drawn: the map stays, and what is chosen on it."""
        return [gr.skip(), preview.complaint(error), gr.skip()]

    def drawn_of(
        self, plan: Plan, colour: Any, chosen: Any, history: Any, current: Any
    ) -> list[Any]:
        """Return what `drawn` shows of a plan."""
        targets, _ = session_runs.known_targets(self.engine, plan.model)
        record = session_runs.lookup(self.engine, current)
        mode = colour if colour in COLOURS else COLOURS[0]
        named = [target for target in targets if target.name in _names(chosen)]
        back = gr.Button(interactive=goes_back(history_of(history), plan))
        return [layer_map(plan, targets, mode, record), chosen_line(plan, targets, named), back]

    def choose(self, event: gr.EventData, method: Any, keep: Any, *given: Any) -> list[Any]:
        """Note which cells are chosen, as the browser names them, and what would become of them."""
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
        return [names, self._would(plan, targets, members, method, keep)]

    def tried(self, chosen: Any, method: Any, keep: Any, *given: Any) -> str:
        """Say what would become of the chosen matrices, before anybody applies it."""
        plan, targets = self._plan(given)
        members = [target for target in targets if target.name in _names(chosen)]
        return self._would(plan, targets, members, method, keep)

    def _would(
        self,
        plan: Plan,
        targets: Sequence[Target],
        members: Sequence[Target],
        method: Any,
        keep: Any,
    ) -> str:
        told = chosen_line(plan, targets, members)
        if not members:
            return told
        names = {target.name for target in members}
        try:
            rules = _with_tool(plan, pattern_for(names, targets), method, keep, targets)
            said = preview.describe_change(self.engine, replace(plan, rules=rules), names)
        except CompressionError as error:
            said = str(error)
        return f'{told}<p class="chosen quiet">{escape(said)}</p>'

    def apply(self, history: Any, chosen: Any, method: Any, keep: Any, *given: Any) -> list[Any]:
        """Let the chosen matrices be compressed in their own way."""
        plan, targets = self._plan(given)
        pattern = self._pattern(chosen, targets)
        return self._write(history, plan, lambda: _with_tool(plan, pattern, method, keep, targets))

    def leave(self, history: Any, chosen: Any, *given: Any) -> list[Any]:
        """Leave the chosen matrices as they are."""
        plan, targets = self._plan(given)
        pattern = self._pattern(chosen, targets)
        return self._write(history, plan, lambda: edited(plan.rules, pattern, DENSE, 1.0, targets))

    def clear(self, history: Any, chosen: Any, *given: Any) -> list[Any]:
        """Let the chosen matrices follow the whole plan again."""
        plan, targets = self._plan(given)
        pattern = self._pattern(chosen, targets)
        return self._write(history, plan, lambda: cleared(plan.rules, pattern, targets))

    def start_from(self, history: Any, name: Any, *given: Any) -> list[Any]:
        """Put a usual plan into the form, with the method and the keep that stand there."""
        plan, targets = self._plan(given)
        first = next((rule for rule in plan.rules if rule.method != DENSE), Rule())
        found = presets(first, LayerGrid.of(targets))
        if name not in found:
            return [gr.skip()] * (3 + len(self.fields))
        return self._write(history, plan, lambda: found[name])

    def step(self, step: Callable[[History], History], history: Any, *given: Any) -> list[Any]:
        """Take the last change back, or make it again; what was typed since is a change too."""
        plan, _ = self._plan(given)
        found = step(history_of(history).seen(state_of(plan)))
        assert found.now is not None
        before = Plan.from_json({**plan.to_json(), "rules": json.loads(found.now)})
        return stepped(found, before)

    def _plan(self, given: Sequence[Any]) -> tuple[Plan, tuple[Target, ...]]:
        """Return the plan in the form, and the matrices of its model."""
        try:
            plan = binding.read(binding.Form.of(given))
        except CompressionError as error:
            raise refusal(error) from error
        return plan, session_runs.known_targets(self.engine, plan.model)[0]

    def _pattern(self, chosen: Any, targets: Sequence[Target]) -> str:
        names = _names(chosen) & {target.name for target in targets}
        if not names:
            raise refusal(texts.MAP_NOTHING)
        return pattern_for(names, targets)

    def _write(self, history: Any, plan: Plan, make: Callable[[], tuple[Rule, ...]]) -> list[Any]:
        """Return the history and the form for a plan with other rules.

        Raises:
            gr.Error: The rules are refused, or too many for the form.
        """
        try:
            changed = replace(plan, rules=make())
            allocate(changed, session_runs.known_targets(self.engine, plan.model)[0])
        except CompressionError as error:
            raise refusal(error) from error
        if len(changed.rules) > validation.MAX_OVERRIDES:
            told = texts.MAP_FULL.format(count=len(changed.rules), limit=validation.MAX_OVERRIDES)
            raise refusal(told)
        return stepped(history_of(history).seen(state_of(plan)).seen(state_of(changed)), changed)


def _with_tool(
    plan: Plan, pattern: str, method: Any, keep: Any, targets: Sequence[Target]
) -> tuple[Rule, ...]:
    """Return a plan's rules with what the tool of the map says of some matrices."""
    share = validation.share_of(str(method), keep)
    return edited(plan.rules, pattern, str(method), share, targets)


def _names(chosen: Any) -> set[str]:
    return {name for name in chosen if isinstance(name, str)} if isinstance(chosen, list) else set()
