"""Errors known before anything is run: they are those that runs then measured."""

from __future__ import annotations

import numpy as np
import pytest

from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.plan.spectra import load_spectra, truncation_error
from compress_lib.results.landmarks import landmark_targets, load_landmarks
from compress_lib.results.records import RunRecord
from compress_lib.runs.precompute import measure_spectra

TARGETS, _ = landmark_targets()
MODEL = "smollm2-135m"
RANKED = [r for r in load_landmarks() if r.targets and all(t.rank for t in r.targets)]


@pytest.mark.parametrize("record", RANKED, ids=lambda record: record.key)
def test_what_is_foretold_is_what_was_measured(record: RunRecord) -> None:
    plan = record.plan
    found = truncation_error(allocate(plan, TARGETS), MODEL)
    shared = any(rule.allocation != "uniform" or rule.group != "separated" for rule in plan.rules)
    if shared or any("autoencoder" in rule.method for rule in plan.rules):
        assert found is None
        return
    assert found is not None
    error, exact = found
    assert exact == (record.methods == ("svd",))
    if exact:
        assert error == pytest.approx(record.relative_error, rel=1e-3)
    else:
        assert error <= record.relative_error * 1.001


def test_spectra_are_those_of_the_weights(llama: LanguageModel) -> None:
    found = measure_spectra(llama)
    assert set(found) == {target.name for target in llama.targets}
    for site in llama.sites[:3]:
        weight = (
            llama.module.get_submodule(site.modules[0]).get_parameter("weight").detach().numpy()
        )
        values = np.linalg.svd(weight, compute_uv=False)
        assert found[site.target.name] == pytest.approx(values, rel=2e-3)


def test_what_is_not_known_is_not_foretold() -> None:
    plan = Plan(rules=(Rule(pattern="embedding"),))
    assigned = allocate(plan, TARGETS)
    assert truncation_error(assigned, "owner/unknown") is None
    assert load_spectra("../../etc/passwd") == {}
    rounded = allocate(Plan(rules=(Rule(pattern="key", method="int8", keep=1.0),)), TARGETS)
    assert truncation_error(rounded, MODEL) is None
    later = allocate(Plan(rules=(Rule(pattern="key", inputs="compressed"),)), TARGETS)
    bound = truncation_error(later, MODEL)
    assert bound is not None and not bound[1]
    few = {"factor_bits": 8}
    coded = allocate(Plan(rules=(Rule(pattern="embedding", options=few),)), TARGETS)
    found = truncation_error(coded, MODEL)
    assert found is not None and not found[1]
