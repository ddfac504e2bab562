"""What happens on the map of layers: cells are chosen, changed, and changed back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from compress_lib.allocation import allocate
from compress_lib.errors import CompressionError
from compress_lib.plan import DENSE, Plan, Rule
from compress_lib.plan_edits import Grid, cleared, edited, pattern_for, presets
from compress_lib.targets import Target
from compress_lib.ui import controls, handlers, preview, texts, typed
from compress_lib.ui.engine import Engine
from compress_lib.ui.layer_map import COLOURS, cell_targets, chosen_line, layer_map
from compress_lib.ui.map_panel import MapPanel
from compress_lib.ui.scripts import QUICK
from compress_lib.ui.telling import refusal
from compress_lib.ui.undo import History

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
        panel.map.select(
            self.choose,
            fields,
            [panel.chosen, panel.told],
            trigger_mode="always_last",
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
            plan = controls.read(controls.Form.of(given))
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
        targets, _ = preview.known_targets(self.engine, plan.model)
        record = handlers.lookup(self.engine, current)
        mode = colour if colour in COLOURS else COLOURS[0]
        named = [target for target in targets if target.name in _names(chosen)]
        back = gr.Button(interactive=_goes_back(_history(history), plan))
        return [layer_map(plan, targets, mode, record), chosen_line(plan, targets, named), back]

    def choose(self, event: gr.EventData, *given: Any) -> list[Any]:
        """Note which cells are chosen, as the browser names them."""
        plan, targets = self._plan(given)
        cells = getattr(event, "_data", None) or {}
        named = cells.get("cells", []) if isinstance(cells, dict) else []
        grid = Grid.of(targets)
        members = [
            target
            for cell in named[:MOST_CELLS]
            if isinstance(cell, str)
            for target in cell_targets(grid, cell)
        ]
        return [[target.name for target in members], chosen_line(plan, targets, members)]

    def apply(self, history: Any, chosen: Any, method: Any, keep: Any, *given: Any) -> list[Any]:
        """Let the chosen matrices be compressed in their own way."""
        plan, targets = self._plan(given)
        pattern = self._pattern(chosen, targets)
        share = typed.share_of(str(method), keep)
        return self._write(
            history, plan, lambda: edited(plan.rules, pattern, str(method), share, targets)
        )

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
        found = presets(first, Grid.of(targets))
        if name not in found:
            return [gr.skip()] * (3 + len(self.fields))
        return self._write(history, plan, lambda: found[name])

    def step(self, step: Callable[[History], History], history: Any, *given: Any) -> list[Any]:
        """Take the last change back, or make it again; what was typed since is a change too."""
        plan, _ = self._plan(given)
        found = step(_history(history).seen(_state(plan)))
        assert found.now is not None
        before = Plan.from_json({**plan.to_json(), "rules": json.loads(found.now)})
        return _stepped(found, before)

    def _plan(self, given: Sequence[Any]) -> tuple[Plan, tuple[Target, ...]]:
        """Return the plan in the form, and the matrices of its model."""
        try:
            plan = controls.read(controls.Form.of(given))
        except CompressionError as error:
            raise refusal(error) from error
        return plan, preview.known_targets(self.engine, plan.model)[0]

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
            allocate(changed, preview.known_targets(self.engine, plan.model)[0])
        except CompressionError as error:
            raise refusal(error) from error
        if len(changed.rules) > typed.MAX_OVERRIDES:
            told = texts.MAP_FULL.format(count=len(changed.rules), limit=typed.MAX_OVERRIDES)
            raise refusal(told)
        return _stepped(_history(history).seen(_state(plan)).seen(_state(changed)), changed)


def _names(chosen: Any) -> set[str]:
    return {name for name in chosen if isinstance(name, str)} if isinstance(chosen, list) else set()


def _state(plan: Plan) -> str:
    """Return a plan's rules as a history keeps them, the same for all that the form shows alike."""
    shown, _ = controls.shown_plan(plan)
    return json.dumps(shown.to_json()["rules"], sort_keys=True)


def _history(value: Any) -> History:
    """Return the history that a session holds as JSON."""
    given = value if isinstance(value, dict) else {}
    return History(tuple(given.get("past", ())), tuple(given.get("future", ())))


def _stepped(history: History, plan: Plan) -> list[Any]:
    """Return the history as the session holds it, whether it goes on, and the form's values."""
    kept = {"past": list(history.past), "future": list(history.future)}
    again = bool(history.future)
    steps = [gr.Button(interactive=on) for on in (_goes_back(history, plan), again)]
    return [kept, *steps, *controls.shown_values(plan)]


def _goes_back(history: History, plan: Plan) -> bool:
    """Tell whether there is a step to take back; what was typed since the last one is a step."""
    return len(history.past) > 1 or (bool(history.past) and history.now != _state(plan))
