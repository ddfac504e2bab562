"""Embedding tab: histograms of direction errors, token neighbours, and errors by layer."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any, ClassVar

import gradio as gr

from compress_lib.reporting.plots.direction import (
    Axis,
    direction_by_layer,
    direction_histogram,
    suits_logarithm,
)
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import LIVE, QUICK
from compress_lib.ui.common.components import AnyDropdown, table
from compress_lib.ui.engine import session_runs
from compress_lib.ui.results.selection import Shown, run_choices
from compress_lib.ui.results.tabs.base import ResultTab, Wiring, follow_job, register
from compress_lib.ui.results.tabs.token_lookup import look_up_word

OVERLAID = 3
"""Number of the session's other runs that a histogram shows by default."""

MOST = 4
"""Maximum number of other runs in a histogram."""

WIDTHS = ["104px", "104px", "98px", "76px", "210px", "210px", "70px"]


@register
class DirectionTab(ResultTab):
    """Direction errors of the embedding's rows and of all layers."""

    name: ClassVar[str] = "direction"
    label: ClassVar[str] = texts.TAB_DIRECTION
    order: ClassVar[int] = 20

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        current = shown.record
        if current is None:
            return {}

        def other(run: RunRecord) -> bool:
            return run.direction is not None and run.key != current.key

        # The session's runs are overlaid by default, landmarks only on request.
        beside = [*filter(other, shown.own)][:OVERLAID] if current.direction else []
        layers = direction_by_layer(current)
        return {
            "chart": direction_histogram([current, *beside], texts.NO_DIRECTION),
            "cumulative": False,
            "weighted": False,
            "logarithmic": any(map(suits_logarithm, [current, *beside])),
            "overlay": gr.update(choices=run_choices(shown, other), value=[r.key for r in beside]),
            "tokens": html.token_rows(current.direction) if current.direction else [],
            "layers_help": gr.update(visible=layers is not None),
            "layers": gr.update(value=layers, visible=layers is not None),
        }

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.DIRECTION_HELP)
        with gr.Row(elem_classes="settings"):
            cumulative = gr.Checkbox(label=texts.DIRECTION_CUMULATIVE, elem_id="cumulative")
            weighted = gr.Checkbox(label=texts.DIRECTION_WEIGHTED, elem_id="weighted")
            logarithmic = gr.Checkbox(
                value=values.get("logarithmic", False),
                label=texts.DIRECTION_LOGARITHMIC,
                elem_id="logarithmic",
            )
        chart = gr.Plot(values.get("chart"), show_label=False, elem_id="direction")
        overlay = AnyDropdown(
            values.get("overlay", {}).get("choices", []),
            multiselect=True,
            max_choices=MOST,
            label=texts.COMPARE_DIRECTIONS,
            elem_id="overlay",
        )
        asking = _asking()
        tokens = table(
            texts.TOKEN_HEADERS,
            values.get("tokens"),
            texts.NEIGHBOURS,
            labelled=True,
            elem_id="tokens",
            widths=WIDTHS,
            kinds=("str", "str", "number", "number", "str", "str", "number"),
            searched=True,
        )
        layers = values.get("layers", {})
        seen = bool(layers.get("visible"))
        layers_help = gr.Markdown(texts.DIRECTION_LAYERS, visible=seen)
        by_layer = gr.Plot(
            layers.get("value"), show_label=False, visible=seen, elem_id="direction-layers"
        )
        return {
            "chart": chart,
            "cumulative": cumulative,
            "weighted": weighted,
            "logarithmic": logarithmic,
            "overlay": overlay,
            **asking,
            "tokens": tokens,
            "layers_help": layers_help,
            "layers": by_layer,
        }

    def connect(self, wiring: Wiring) -> None:
        """See `ResultTab.connect`: overlays, axis options and token lookup."""

        def draw(
            others: Any, cumulative: Any, weighted: Any, logarithmic: Any, current: Any
        ) -> Any:
            keys = [current, *(others if isinstance(others, list) else [])][: MOST + 1]
            records: Sequence[RunRecord | None] = [
                session_runs.lookup(wiring.engine, key) for key in keys
            ]
            return direction_histogram(
                [record for record in records if record is not None],
                texts.NO_COUNTS if weighted is True else texts.NO_DIRECTION,
                Axis(cumulative is True, weighted is True, logarithmic is True),
            )

        names = ("overlay", "cumulative", "weighted", "logarithmic")
        controls = [self.parts[name] for name in names]
        gr.on(
            # Only user input redraws the chart: a new run resets these components as well.
            [part.input for part in controls],
            draw,
            [*controls, wiring.current],
            self.parts["chart"],
            **QUICK,
        )

        word, stop = self.parts["word"], self.parts["stop"]
        looked, tokens = self.parts["looked"], self.parts["tokens"]

        def look_up(
            record: RunRecord, asked: Any
        ) -> Generator[tuple[str, dict[Any, Any]], None, None]:
            with closing(look_up_word(wiring.engine, record, asked)) as steps:
                for message, rows in steps:
                    yield message, {} if rows is None else {tokens: rows}

        triggers = [word.submit, self.parts["ask"].click]
        job = follow_job(wiring, triggers, look_up, [word], (looked, stop, [tokens]))
        # Another run replaces the table, so its lookup is cancelled.
        cleared = (lambda: ["", gr.update(visible=False)], None, [looked, stop])
        change = wiring.current.change(*cleared, cancels=[job], trigger_mode="multiple", **QUICK)
        change.then(*cleared, **QUICK)


def _asking() -> dict[str, Any]:
    """Build the field for token lookup with its buttons and status line."""
    with gr.Row(elem_classes="settings"):
        word = gr.Textbox(
            label=texts.TOKEN_ASK,
            info=texts.TOKEN_ASK_INFO,
            placeholder=texts.TOKEN_EXAMPLE,
            max_lines=1,
            scale=5,
            elem_id="word",
        )
        small: dict[str, Any] = {"size": "sm", "min_width": 90, "elem_classes": "beside"}
        ask = gr.Button(texts.TOKEN_ASK_BUTTON, elem_id="look-up", **small)
        stop = gr.Button(texts.STOP, visible=False, elem_id="stop-looking", **small)
    looked = gr.HTML("", elem_id="looked-up", js_on_load=LIVE)
    return {"word": word, "ask": ask, "stop": stop, "looked": looked}
