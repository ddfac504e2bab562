"""Layers tab: error heatmap, training curves, singular values and the table of matrices."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar

import gradio as gr

from compress_lib.methods import METHODS
from compress_lib.methods.low_rank.base import LowRankMethod
from compress_lib.plan.spectra import load_spectra
from compress_lib.reporting.plots import matrices
from compress_lib.reporting.plots import spectrum as plots_spectrum
from compress_lib.results.describe import describe_decoding, targets_frame
from compress_lib.results.metrics import ERRORS
from compress_lib.results.records import RunRecord
from compress_lib.results.target_record import TargetRecord
from compress_lib.ui.common import html, texts
from compress_lib.ui.common.browser import PRIVATE, QUICK, SAVE_FILE
from compress_lib.ui.common.components import table
from compress_lib.ui.engine import session_runs
from compress_lib.ui.results import tables
from compress_lib.ui.results.selection import Shown
from compress_lib.ui.results.tabs.base import ResultTab, Wiring, find_run, register
from compress_lib.utils.translation import translate

WIDTHS = [
    *("200px", "130px", "62px", "110px", "84px", "88px", "98px", "84px", "84px", "96px"),
    *("180px", "84px", "78px"),
]


@register
class MatricesTab(ResultTab):
    """Results per weight matrix; sections without data are hidden."""

    name: ClassVar[str] = "matrices"
    label: ClassVar[str] = texts.TAB_MATRICES
    order: ClassVar[int] = 40

    def show(self, shown: Shown) -> Mapping[str, Any]:
        """See `ResultTab.show`."""
        record = shown.record
        if record is None:
            return {}
        measures, trained = _measures(record), _with_history(record)
        measure = measures[0][1] if measures else None
        first = trained[0].names[0] if trained else None
        names = [(target.group or " = ".join(target.names), target.names[0]) for target in trained]
        return {
            "decoding": gr.update(value=_decoding(record), visible=bool(describe_decoding(record))),
            "layers": gr.update(visible=bool(measures)),
            "measure": gr.update(choices=measures, value=measure),
            "errors": errors(record, measure),
            "training": gr.update(visible=bool(trained)),
            "trained": gr.update(choices=names, value=first, visible=len(names) > 1),
            "curves": curves(record, first),
            **_cut(record),
            "matrices": html.matrix_rows(record),
        }

    def build(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `ResultTab.build`."""

        def given(name: str) -> dict[str, Any]:
            props = {key: value for key, value in values.get(name, {}).items() if key != "__type__"}
            return props or {"visible": False}

        parts: dict[str, Any] = {}
        parts["decoding"] = gr.HTML(elem_id="decoding", **given("decoding"))
        with gr.Column(elem_id="layers", **given("layers")) as parts["layers"]:
            gr.Markdown(texts.LAYERS_HELP)
            parts["measure"] = gr.Dropdown(
                label=texts.MEASURE_SHOWN, elem_id="measure", **given("measure")
            )
            parts["errors"] = gr.Plot(values.get("errors"), show_label=False, elem_id="errors")
        with gr.Column(elem_id="training", **given("training")) as parts["training"]:
            gr.Markdown(texts.TRAINING_HELP)
            parts["trained"] = gr.Dropdown(
                label=texts.TRAINED, elem_id="trained", **given("trained")
            )
            parts["curves"] = gr.Plot(values.get("curves"), show_label=False, elem_id="curves")
        with gr.Column(elem_id="spectra", **given("spectra")) as parts["spectra"]:
            gr.Markdown(texts.SPECTRUM_HELP)
            parts["ranked"] = gr.Dropdown(label=texts.RANKED, elem_id="ranked", **given("ranked"))
            parts["spectrum"] = gr.Plot(
                values.get("spectrum"), show_label=False, elem_id="spectrum"
            )
        parts["matrices"] = table(
            texts.MATRIX_HEADERS, values.get("matrices"), texts.TAB_MATRICES, widths=WIDTHS
        )
        parts["csv"] = gr.Button(texts.DOWNLOAD_MATRICES, size="sm")
        return parts

    def connect(self, wiring: Wiring) -> None:
        """See `ResultTab.connect`: menus redraw their charts; the button saves the table."""
        parts, engine = self.parts, wiring.engine

        def save(key: Any) -> str:
            record = find_run(engine, key)
            content = tables.frame_csv(targets_frame(record))
            return tables.download(f"matrices-{record.key}.csv", "text/csv", content)

        parts["measure"].input(
            lambda measure, key: errors(session_runs.lookup(engine, key), measure),
            [parts["measure"], wiring.current],
            parts["errors"],
            **QUICK,
        )
        parts["trained"].input(
            lambda name, key: curves(session_runs.lookup(engine, key), name),
            [parts["trained"], wiring.current],
            parts["curves"],
            **QUICK,
        )
        parts["ranked"].input(
            lambda name, key: spectrum(session_runs.lookup(engine, key), name),
            [parts["ranked"], wiring.current],
            parts["spectrum"],
            **QUICK,
        )
        parts["csv"].click(save, wiring.current, wiring.file, **QUICK).success(
            None, wiring.file, None, js=SAVE_FILE, **PRIVATE
        )


def errors(record: RunRecord | None, measure: Any) -> Any:
    """Return the heatmap of an error metric by layer and module type, or None.

    Args:
        record: The shown run.
        measure: Name of the metric.
    """
    if record is None or measure not in [name for _, name in _measures(record)]:
        return None
    return matrices.error_map(record, measure)


def curves(record: RunRecord | None, name: Any) -> Any:
    """Return the training curves of a weight or a group, or None.

    Args:
        record: The shown run.
        name: Name of the weight, or of the first weight of the group.
    """
    for target in _with_history(record) if record else []:
        if target.names[0] == name:
            return matrices.training_curves(target)
    return None


def spectrum(record: RunRecord | None, name: Any) -> Any:
    """Return the chart of a matrix's singular values and its rank, or None.

    Args:
        record: The shown run.
        name: Name of the matrix.
    """
    for target in _with_spectrum(record) if record else []:
        if target.names[0] == name:
            assert record is not None
            return plots_spectrum.spectrum(load_spectra(record.model.id)[name], target)
    return None


def _cut(record: RunRecord) -> dict[str, Any]:
    """Return the values of the singular-value section, hidden if there are no spectra."""
    ranked = _with_spectrum(record)
    first = ranked[0].names[0] if ranked else None
    names = [(" = ".join(target.names), target.names[0]) for target in ranked]
    return {
        "spectra": gr.update(visible=bool(ranked)),
        "ranked": gr.update(choices=names, value=first, visible=len(names) > 1),
        "spectrum": spectrum(record, first),
    }


def _with_spectrum(record: RunRecord) -> list[TargetRecord]:
    """Return the matrices that were factorized individually and have a spectra spectrum."""
    spectra = load_spectra(record.model.id)
    if any(rule.inputs != "original" for rule in record.plan.rules):
        # Sequential calibration changes the matrix before it is factorized.
        return []
    return [
        target
        for target in record.targets
        # The rank of an autoencoder is its latent size, which truncates no spectrum.
        if issubclass(METHODS[target.method], LowRankMethod)
        and target.rank is not None
        and not target.group
        and target.names[0] in spectra
    ]


def _measures(record: RunRecord) -> list[tuple[str, str]]:
    """Return the label and name of the heatmap's metrics; empty for fewer than two weights."""
    layered = [target for target in record.targets if target.layer is not None]
    if len(layered) < 2:
        return []
    return [
        (translate(metric.label), name)
        for name, metric in ERRORS.items()
        if any(target.errors[name] is not None for target in layered)
    ]


def _with_history(record: RunRecord) -> list[TargetRecord]:
    return [target for target in record.targets if target.history]


def _decoding(record: RunRecord) -> str:
    return f'<p class="decoding">{escape(describe_decoding(record))}</p>'
