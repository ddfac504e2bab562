"""Sweeps over all matrices, from the page."""

from __future__ import annotations

import json

import pytest

from compress_lib.errors import CompressionError
from compress_lib.ui import texts
from tests.page import PLAN, TinyEngine


def test_a_sweep_fills_the_map_of_modules(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_panel

    seen = list(studies_panel.sweep(engine, "tiny", "svd", 0.5))
    records = [record for _, record in seen if record is not None]
    assert len(records[-1].rows) == len(engine.targets("tiny") or ())
    assert texts.SWEEP_FINISHED in seen[-1][0]
    filled = studies_panel._filled(records[-1])
    assert filled[2] is not None and "What hurts most" in filled[0]
    assert studies_panel.redraw(records[-1], "kl") is not None
    for make in (studies_panel.csv_file, studies_panel.json_file):
        assert json.loads(make(records[-1]))["name"].startswith("sensitivity.")


def test_a_sweep_refuses_what_a_run_would_refuse(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_panel

    with pytest.raises(CompressionError, match="svd"):
        list(studies_panel.sweep(engine, "tiny", "svdd", 0.5))
    with pytest.raises(CompressionError, match="keep"):
        list(studies_panel.sweep(engine, "tiny", "svd", 7))


def test_closing_a_sweep_stops_it_and_keeps_what_was_measured(engine: TinyEngine) -> None:
    from compress_lib.ui import studies_panel

    updates = studies_panel.sweep(engine, "tiny", "svd", 0.5)
    next(updates)
    updates.close()
    assert engine.ahead(engine.submit(PLAN)) <= 1


def test_without_studies_the_tab_says_so() -> None:
    from compress_lib.ui import studies_panel

    assert texts.NO_STUDY in studies_panel._said(None)
    assert studies_panel._table(None)["data"] == []
