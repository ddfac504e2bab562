"""What is expected before a run: from kept curves, near what was measured, silent otherwise."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import pytest
import torch

from compress_lib.compression.compress import allocate_by_loss
from compress_lib.data.calibration_text import Calibration
from compress_lib.methods import METHODS
from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.models.loading import LanguageModel
from compress_lib.plan import forecast
from compress_lib.plan.allocation import allocate
from compress_lib.plan.forecast import LEAST, MOST, SMALL, forecast_loss, load_curves
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.reporting.exports.report import report
from compress_lib.results.landmarks import landmark_targets, landmarks_by_name, load_landmarks
from compress_lib.results.predictions import predicted_loss
from compress_lib.runs.precompute import curved_methods, measure_curves
from compress_lib.ui.common import texts
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import preview
from compress_lib.ui.results.headline import headline

KEPT = ["svd", "two_sided_svd", "int8", "tiered"]


def text(model: LanguageModel) -> Calibration:
    made = torch.Generator().manual_seed(7)
    size = model.module.config.vocab_size
    return Calibration.from_blocks(
        tuple(torch.randint(size, (40,), generator=made) for _ in range(3))
    )


@pytest.fixture
def known(llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Curves of the tiny model in the place of the default one's."""
    found = measure_curves(llama, text(llama), KEPT)
    monkeypatch.setattr(forecast, "load_curves", lambda model: found)
    return found


@pytest.mark.parametrize(
    "rule",
    [
        Rule(method="two_sided_svd", keep=0.6, allocation="automatic"),
        Rule(
            pattern="*layers*",
            method="two_sided_svd",
            keep=0.6,
            allocation="automatic",
            options={"storage": "pivoted", "factor_bits": 8},
        ),
        Rule(pattern="*layers*", method="svd", keep=0.7, allocation="automatic"),
        Rule(pattern="embedding", method="tiered", keep=0.5, allocation="automatic"),
    ],
)
def test_bytes_are_shared_out_as_in_a_run(
    rule: Rule, llama: LanguageModel, known: dict[str, Any]
) -> None:
    assigned = allocate(Plan(rules=(rule,)), llama.targets)
    found = allocate_by_loss(llama, assigned, text(llama)).loss
    told = forecast_loss(assigned, "any")
    assert found is not None and told is not None
    # Kept are some ranks of all.
    assert told == pytest.approx(found, rel=0.3, abs=2e-4)


def test_what_is_decided_adds_up(llama: LanguageModel, known: dict[str, Any]) -> None:
    def loss(*rules: Rule) -> float:
        found = forecast_loss(allocate(Plan(rules=rules), llama.targets), "any")
        assert found is not None
        return found

    query, key = (Rule(pattern=family, keep=0.4) for family in ("query", "key"))
    assert loss(query, key) == pytest.approx(loss(query) + loss(key))
    assert loss(replace(query, keep=0.8)) < loss(query)
    assert loss(Rule(method="int8", keep=1.0)) < loss(Rule(keep=0.5))
    assert loss(Rule(method="dense")) == 0


@pytest.mark.parametrize(
    "rule",
    [
        Rule(pattern="key", group="concatenated"),
        Rule(pattern="key", inputs="compressed"),
        Rule(pattern="embedding", tie="input"),
        Rule(pattern="key", method="two_sided_svd", options={"output_shrinkage": 0.01}),
        Rule(pattern="key", options={"factor_bits": 3}),
        Rule(pattern="key", method="autoencoder"),
    ],
)
def test_where_no_curve_is_known_nothing_is_said(
    rule: Rule, llama: LanguageModel, known: dict[str, Any]
) -> None:
    assert forecast_loss(allocate(Plan(rules=(rule,)), llama.targets), "any") is None


def test_a_plan_of_a_model_without_curves_expects_nothing(llama: LanguageModel) -> None:
    assert forecast_loss(allocate(Plan(), llama.targets), "owner/unknown") is None
    assert load_curves("../../etc/passwd") == {}


def test_the_default_models_curves_are_here_and_fall() -> None:
    curves = load_curves(DEFAULT_MODEL)
    assert {name.partition("/")[0] for name in curves} <= set(curved_methods())
    assert len([name for name in curves if name.startswith("svd/")]) == 211
    for places, losses in curves.values():
        assert list(places) == sorted(places)
        assert (losses >= 0).all()
        assert losses[-1] <= losses[0]


def test_small_costs_of_landmarks_were_expected() -> None:
    targets, _ = landmark_targets()
    pairs = []
    for record in load_landmarks():
        try:
            told = forecast_loss(allocate(record.plan, targets), DEFAULT_MODEL)
        except ValueError:
            continue
        if told is not None and record.agreement.kl > 1e-4 and told < SMALL:
            pairs.append((told, record.agreement.kl))
            if record.perplexity.ratio > 1:
                pairs.append((told, log(record.perplexity.ratio)))
    assert len(pairs) > 10
    assert all(LEAST <= found / told <= MOST for told, found in pairs), pairs


def test_what_was_foretold_is_told_again_beside_what_was_found() -> None:
    found = landmarks_by_name()
    table = found["embedding-two_sided_svd-0.5"]
    told = predicted_loss(table)
    assert told is not None
    assert texts.KL_ESTIMATED.format(loss=f"{told:.2g}") in headline(table, "")
    # What shared bytes out kept its own estimate.
    shared = found["everything-mixed-0.3"]
    assert predicted_loss(shared) == shared.estimated_loss
    # Two rules, of which one leaves out what the other selects: as the form says it.
    partly = Plan(
        rules=(
            Rule(method="row_quantization", keep=0.51),
            Rule(pattern="embedding", method="dense"),
        )
    )
    said = forecast_loss(allocate(partly, landmark_targets()[0]), DEFAULT_MODEL)
    layers = found["layers-row_quantization-0.51"]
    assert said == pytest.approx(predicted_loss(replace(layers, plan=partly)))
    far = found["attention-svd-0.9"]
    assert texts.KL_AT_LEAST.partition("{")[2].partition("}")[2] in headline(far, "")
    assert "nats/token or far more" in report(far)
    assert "no longer usable" in report(found["everything-svd-0.75"])
    ruined = headline(found["everything-svd-0.9"], "")
    assert texts.KL_RUINED.format(least="2") in ruined
    for silent in ("baseline", "embedding-autoencoder-0.5", "key-output_pca-0.25-concatenated"):
        assert predicted_loss(found[silent]) is None


def test_the_form_says_what_is_expected() -> None:
    engine = Engine()
    mild = preview.describe_plan(engine, Plan(rules=(Rule(pattern="key@3", keep=0.9),)))
    assert "Estimated loss +0.0" in mild
    unknown = Plan(rules=(Rule(pattern="key", method="autoencoder"),))
    assert texts.PREVIEW_NO_ESTIMATE in preview.describe_plan(engine, unknown)
    assert texts.PREVIEW_SEVERE in preview.describe_plan(engine, Plan(rules=(Rule(keep=0.5),)))


def test_what_trains_has_no_curve() -> None:
    assert "autoencoder" not in curved_methods()
    assert set(curved_methods()) <= set(METHODS)
