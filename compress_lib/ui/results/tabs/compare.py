"""Compare tab: up to four runs side by side, with paired differences from the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.plan.query_string import MAX_COMPARED
from compress_lib.results.describe import unique_labels
from compress_lib.results.metrics import METRICS, Metric
from compress_lib.results.paired import PairedDifference, compare_runs
from compress_lib.results.records import RunRecord
from compress_lib.ui.common import texts
from compress_lib.ui.common.browser import QUICK
from compress_lib.ui.common.components import AnyDropdown
from compress_lib.ui.common.messages import warn
from compress_lib.ui.results.comparison import runs_beside
from compress_lib.ui.results.selection import Shown, first_record, run_choices
from compress_lib.ui.results.tabs.base import ResultTab, Wiring, register
from compress_lib.utils.formatting import format_bytes, format_number
from compress_lib.utils.translation import translate


@register
class CompareTab(ResultTab):
    """Selection and comparison table of runs; the selection persists when another run is shown."""

    name: ClassVar[str] = "compare"
    label: ClassVar[str] = texts.TAB_COMPARE
    order: ClassVar[int] = 5

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`: updates the choices and keeps the selection."""
        return {"tray": gr.update(choices=run_choices(shown))}

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""
        gr.Markdown(texts.COMPARE_HELP)
        tray = AnyDropdown(
            values.get("tray", {}).get("choices", []),
            value=[],
            multiselect=True,
            max_choices=MAX_COMPARED,
            label=texts.TRAY,
            info=texts.TRAY_INFO,
            elem_id="tray",
        )
        first = first_record()
        table = gr.HTML(comparison([first] if first else []), elem_id="comparison")
        return {"tray": tray, "table": table}

    def connect(self, wiring: Wiring) -> None:
        """See `ResultTab.connect`: the table follows the selection, or the shown and last runs."""
        tray = self.parts["tray"]

        def draw(chosen: Any, keys: Any, current: Any) -> str:
            return comparison(runs_beside(wiring.engine, chosen, keys, current))

        gr.on(
            [tray.change, wiring.current.change, wiring.keys.change],
            draw,
            [tray, wiring.keys, wiring.current],
            self.parts["table"],
            trigger_mode="multiple",
            **QUICK,
        )


def with_shown(tray: Any, current: Any) -> Any:
    """Return an update that adds the shown run to a non-empty selection, or `gr.skip()`.

    Args:
        tray: Keys of the selected runs.
        current: Key of the shown run.
    """
    if not isinstance(tray, list) or not tray or not isinstance(current, str) or current in tray:
        return gr.skip()
    if len(tray) >= MAX_COMPARED:
        warn(texts.TRAY_FULL)
        return gr.skip()
    return gr.update(value=[*tray, current])


def comparison(runs: Sequence[RunRecord]) -> str:
    """Return runs as an HTML table, one column each: differences from the first, then metrics."""
    if not runs:
        return f'<p class="quiet">{escape(texts.TRAY_EMPTY)}</p>'
    hint = f'<p class="quiet">{escape(texts.TRAY_LONELY)}</p>' if len(runs) == 1 else ""
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in unique_labels(runs))
    rows = [_row(label, cells) for label, cells in _differences(runs)]
    rows += [
        _row(_label(metric), _metric(runs, name))
        for name, metric in METRICS.items()
        if any(run.metrics()[name] is not None for run in runs)
    ]
    return (
        f'<div class="scroll"><table class="compare"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{hint}"
    )


def _label(metric: Metric) -> str:
    unit = f" ({metric.unit})" if metric.unit not in ("", "×") else ""
    return f"{translate(metric.label)}{unit} {metric.arrow}"


def _metric(runs: Sequence[RunRecord], name: str) -> list[str]:
    """Return the values of a metric, with the best one marked."""
    values = [run.metrics()[name] for run in runs]
    known = [value for value in values if value is not None]
    best = min(known) if METRICS[name].lower_is_better else max(known)
    # Nothing is marked if all values are equal or the metric is noisy.
    marked = best if len(set(known)) > 1 and not METRICS[name].is_noisy else None
    cells = []
    for value in values:
        cell = "—" if value is None else format_number(value)
        cells.append(f"<strong>{cell}</strong>" if value is not None and value == marked else cell)
    return cells


def _differences(runs: Sequence[RunRecord]) -> list[tuple[str, list[str]]]:
    """Return the label and cells of the rows that compare each run with the first."""
    if len(runs) < 2:
        return []
    differences: list[PairedDifference | None] = [None]
    for other in runs[1:]:
        try:
            differences.append(compare_runs(runs[0], other))
        except CompressionError:
            differences.append(None)
    dash = "—"
    return [
        (
            texts.COMPARE_SIGNIFICANCE,
            [dash if p is None else escape(_verdict(p)) for p in differences],
        ),
        (
            texts.COMPARE_RATIO,
            [dash if p is None else _interval(p.ratio, p.ratio_interval, "×") for p in differences],
        ),
        (
            texts.COMPARE_KL,
            [dash if p is None else _interval(p.kl, p.kl_interval, "") for p in differences],
        ),
        (
            texts.COMPARE_BYTES,
            [dash if p is None else _signed_bytes(p.bytes) for p in differences],
        ),
    ]


def _verdict(difference: PairedDifference) -> str:
    if (difference.ratio, difference.kl) == (1, 0):
        return texts.COMPARE_SAME
    if difference.ratio_interval is None:
        return texts.COMPARE_UNKNOWN
    if not difference.certain and difference.certain_by_kl:
        return texts.COMPARE_FARTHER if difference.kl > 0 else texts.COMPARE_NEARER
    if not difference.certain:
        return texts.COMPARE_NOT_SIGNIFICANT
    return texts.COMPARE_WORSE if difference.ratio > 1 else texts.COMPARE_BETTER


def _interval(value: float, ends: tuple[float, float] | None, sign: str) -> str:
    text = f"{_minus(value)}{sign}"
    if ends is None:
        return text
    low, high = (_minus(end) for end in ends)
    between = texts.BETWEEN.format(low=low, high=high)
    return f'{text} <span class="quiet">({escape(between)})</span>'


def _minus(value: float) -> str:
    return format_number(value).replace("-", "−")


def _signed_bytes(difference: int) -> str:
    sign = "−" if difference < 0 else "+"
    return f"{sign}{format_bytes(abs(difference))}" if difference else "0"


def _row(label: str, cells: Sequence[str]) -> str:
    body = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(label)}</th>{body}</tr>'
