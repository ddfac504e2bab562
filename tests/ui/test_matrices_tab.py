"""The tab of matrices: errors, spectra, trainings, and what decoding costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compress_lib.plan.rule import Rule
from compress_lib.results.landmarks import landmarks_by_name
from compress_lib.results.metrics import ERRORS
from compress_lib.ui.common import texts
from compress_lib.ui.results.selection import Shown
from compress_lib.ui.results.tabs.matrices import MatricesTab, curves, errors, spectrum
from tests.support.page import PLAN, TinyEngine, finish, read_form


def test_a_trained_runs_weights_are_shown_layer_by_layer(engine: TinyEngine) -> None:
    rule = Rule(
        pattern="key,value",
        method="autoencoder",
        options={"epochs": 2, "eval_every": 1, "select_best_by": "loss", "decoder": "4"},
        group="concatenated",
    )
    _, record = finish(engine, read_form(replace(PLAN, rules=(rule,))))
    assert all(target.decode_cost > 0 for target in record.targets)
    shown = MatricesTab().show(Shown(record))
    assert "Decoding costs" in shown["decoding"]["value"]
    assert shown["layers"]["visible"] and shown["training"]["visible"]
    names = [name for _, name in shown["measure"]["choices"]]
    assert names == list(ERRORS)
    assert all(errors(record, name) for name in names)
    groups = [label for label, _ in shown["trained"]["choices"]]
    assert groups == ["Key, layers 0 to 1", "Value, layers 0 to 1"]
    assert curves(record, shown["trained"]["choices"][1][1]) is not None
    assert len(shown["matrices"][0]) == len(texts.MATRIX_HEADERS)
    for wrong in ("<b>", None, 7, ["rmse"]):
        assert errors(record, wrong) is None
        assert curves(record, wrong) is None
    assert errors(None, "rmse") is None


def test_a_run_that_trained_nothing_hides_its_curves(engine: TinyEngine) -> None:
    _, record = finish(engine)
    shown = MatricesTab().show(Shown(record))
    assert [shown[name]["visible"] for name in ("decoding", "layers", "training")] == [False] * 3
    assert shown["curves"] is None and shown["errors"] is None


def test_a_factorized_matrix_shows_where_its_spectrum_was_cut() -> None:
    found = landmarks_by_name()
    several = MatricesTab().show(Shown(found["attention-svd-0.5"]))
    assert several["spectra"]["visible"] and several["ranked"]["visible"]
    names = [name for _, name in several["ranked"]["choices"]]
    assert len(names) == len(found["attention-svd-0.5"].targets)
    assert spectrum(found["attention-svd-0.5"], names[-1]) is not None
    assert spectrum(found["attention-svd-0.5"], "<b>") is None
    for silent in (
        "layers-int8",
        "embedding-autoencoder-0.5",
        "key-output_pca-0.25-concatenated",
        "baseline",
    ):
        assert not MatricesTab().show(Shown(found[silent]))["spectra"]["visible"]


@pytest.mark.parametrize(("tie", "multiplies"), [("both", True), ("input", False)])
def test_a_table_that_is_only_looked_up_costs_no_decoding(
    engine: TinyEngine, tie: str, multiplies: bool
) -> None:
    options: dict[str, Any] = {"epochs": 1, "select_best_by": "loss", "decoder": "4"}
    rule = Rule(pattern="embedding", method="autoencoder", options=options, tie=tie)
    _, record = finish(engine, read_form(replace(PLAN, rules=(rule,))))
    assert (record.targets[0].decode_cost > 0) == multiplies
