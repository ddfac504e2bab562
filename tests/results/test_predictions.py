"""Bytes that a plan foretells are those that its run had."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import UNIFORM, Rule
from compress_lib.results.landmarks import landmark_targets, load_landmarks
from compress_lib.results.predictions import enlarged_components, predicted_bytes
from compress_lib.results.records import ComponentRecord, MemoryRecord, RunRecord
from compress_lib.ui.form.map_table import layer_map
from compress_lib.ui.results.headline import headline
from compress_lib.ui.results.tabs.memory import enlarged_line
from tests.support.compressed import run_record

TARGETS, WHOLE = landmark_targets()
MEASURED = load_landmarks()


@pytest.mark.parametrize("record", MEASURED, ids=[record.key for record in MEASURED])
def test_what_was_foretold_was_measured(record: RunRecord) -> None:
    foretold = predicted_bytes(record, TARGETS)
    shared = any(rule.allocation != UNIFORM for rule in record.plan.rules)
    assert (foretold is None) == shared
    for part in record.memory.components if foretold else ():
        assert foretold is not None
        # Padding of packed codes, and what a chosen size leaves over.
        assert foretold[part.component] == pytest.approx(part.compressed_bytes, rel=5e-4)


def test_nothing_is_foretold_of_what_is_not_known() -> None:
    record = MEASURED[0]
    assert predicted_bytes(record, ()) is None
    rules = [{"pattern": "*", "method": "gone", "keep": 0.5}]
    plan = Plan.from_stored({**record.plan.to_json(), "rules": rules})
    assert predicted_bytes(replace(record, plan=plan), TARGETS) is None


def test_an_original_that_stays_beside_its_copy_is_foretold_and_warned_of() -> None:
    rule = Rule(pattern="embedding", method="svd", keep=0.9, tie="input")
    parts = (ComponentRecord("embedding", 1_000_000, 1_900_000),)
    record = run_record(plan=Plan(rules=(rule,)), memory=MemoryRecord(2_000_000, 2_900_000, parts))
    assert enlarged_components(record) == list(parts)
    assert "Embedding 1 MB → 1.9 MB" in enlarged_line(record)
    assert "Larger than the original (" in headline(record, "")
    foretold = predicted_bytes(record, TARGETS)
    assert foretold is not None
    assert foretold["embedding"] > 1_000_000
    assert "↑" in layer_map(Plan(rules=(rule,)), TARGETS, "keep")
    small = run_record()
    assert enlarged_components(small) == [] and enlarged_line(small) == ""
