"""What was done to a plan on the map, as a session holds it: to be taken back, and made again."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from compress_lib.plan import Plan
from compress_lib.ui import controls
from compress_lib.ui.undo import History


def state_of(plan: Plan) -> str:
    """Return a plan's rules as a history keeps them, the same for all that the form shows alike."""
    shown, _ = controls.shown_plan(plan)
    return json.dumps(shown.to_json()["rules"], sort_keys=True)


def history_of(value: Any) -> History:
    """Return the history that a session holds as JSON."""
    given = value if isinstance(value, dict) else {}
    return History(tuple(given.get("past", ())), tuple(given.get("future", ())))


def stepped(history: History, plan: Plan) -> list[Any]:
    """Return the history as the session holds it, whether it goes on, and the form's values."""
    kept = {"past": list(history.past), "future": list(history.future)}
    again = bool(history.future)
    steps = [gr.Button(interactive=on) for on in (goes_back(history, plan), again)]
    return [kept, *steps, *controls.shown_values(plan)]


def goes_back(history: History, plan: Plan) -> bool:
    """Tell whether there is a step to take back; what was typed since the last one is a step."""
    return len(history.past) > 1 or (bool(history.past) and history.now != state_of(plan))
