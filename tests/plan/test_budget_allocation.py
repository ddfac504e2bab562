"""From a rule's keep to bytes for each target, on a tiny model."""

from __future__ import annotations

import pytest
import torch

from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.compression.compress import allocate_by_loss, compress_at_once, compress_targets
from compress_lib.compression.loss_correction import LIMITS, loss_correction_factors
from compress_lib.compression.target_compressor import TargetCompressor
from compress_lib.data.calibration_text import Calibration
from compress_lib.errors import BudgetError, CompressionError, StoppedError
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.utils.progress import Event, ignore
from tests.support.tiny import tiny_model


def text(model: LanguageModel) -> Calibration:
    made = torch.Generator().manual_seed(7)
    size = model.module.config.vocab_size
    return Calibration.from_blocks(
        tuple(torch.randint(size, (40,), generator=made) for _ in range(3))
    )


def plan(**changes: object) -> Plan:
    given: dict[str, object] = {"method": "two_sided_svd", "keep": 0.6, "allocation": "automatic"}
    return Plan(rules=(Rule(**{**given, **changes}),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "method", ["two_sided_svd", "svd", "row_quantization", "magnitude_pruning"]
)
@pytest.mark.parametrize("allocation", ["automatic", "by_family"])
def test_all_targets_together_keep_what_the_rule_says(method: str, allocation: str) -> None:
    model = tiny_model()
    assigned = allocate(plan(method=method, allocation=allocation), model.targets)
    shared = allocate_by_loss(model, assigned, text(model))
    before = sum(target.nbytes for target in model.targets)
    assert shared.before == before
    assert shared.nbytes <= 0.6 * before
    assert shared.loss is not None and shared.loss >= 0
    compressed = {target.name for a in shared.assignments for target in a.targets}
    dense = sum(target.nbytes for target in model.targets if target.name not in compressed)
    assert dense + sum(a.budget for a in shared.assignments) == shared.nbytes


def test_families_that_cost_more_than_was_estimated_get_more() -> None:
    model = tiny_model()
    given = text(model)
    plans = {
        kind: allocate(plan(allocation=kind), model.targets) for kind in ("automatic", "measured")
    }
    shared = {kind: allocate_by_loss(model, assigned, given) for kind, assigned in plans.items()}
    assert shared["measured"].nbytes <= 0.6 * shared["measured"].before
    first = {a.name: a.loss for a in shared["automatic"].assignments}
    again = {a.name: a.loss for a in shared["measured"].assignments}
    assert first != again


def test_factors_are_measured_over_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    given = text(model)
    shared = allocate_by_loss(model, allocate(plan(), model.targets), given)
    needs = {t.name: a.required_statistics_for(t) for a in shared.assignments for t in a.targets}
    bench = TargetCompressor(model, given, collect_statistics(model, needs, given))
    monkeypatch.setattr("compress_lib.compression.loss_correction._divergence", lambda *_: 0.0)
    silent = loss_correction_factors(bench, shared.assignments, ignore)
    assert set(silent) == {a.family for a in shared.assignments if a.loss}
    assert set(silent.values()) == {LIMITS[0]}


def test_the_estimate_is_better_than_with_equal_shares() -> None:
    model = tiny_model()
    given = text(model)
    losses = {
        kind: allocate_by_loss(model, allocate(plan(allocation=kind), model.targets), given).loss
        for kind in ("automatic", "by_family")
    }
    equal = 0.0
    for target in model.targets:
        alone = allocate(plan(pattern=target.name), model.targets)
        loss = allocate_by_loss(model, alone, given).loss
        assert loss is not None
        equal += loss
    assert losses["automatic"] is not None and losses["by_family"] is not None
    assert losses["automatic"] <= losses["by_family"] + 1e-12
    assert losses["automatic"] <= equal + 1e-12


def test_what_was_shared_out_is_what_is_stored() -> None:
    model = tiny_model()
    assigned = allocate(plan(), model.targets)
    shared = allocate_by_loss(model, assigned, text(model))
    done, _ = compress_at_once(model, assigned, calibration=text(model))
    assert [item.record.bytes_after for item in done] == [a.budget for a in shared.assignments]


def test_only_the_rule_that_asks_for_it_shares() -> None:
    model = tiny_model()
    rules = (Rule(pattern="*attn*", method="svd", keep=0.5), *plan(pattern="*mlp*").rules)
    shared = allocate_by_loss(model, allocate(Plan(rules=rules), model.targets), text(model))
    fixed = [a for a in shared.assignments if a.method.name == "svd"]
    assert all(a.budget == a.nbytes // 2 and a.loss is None for a in fixed)
    assert len(fixed) == sum("attn" in target.name for target in model.targets)


def test_it_needs_text_and_says_so() -> None:
    model = tiny_model()
    with pytest.raises(CompressionError, match="needs calibration text"):
        allocate_by_loss(model, allocate(plan(method="svd"), model.targets))


def test_too_small_a_sum_is_refused() -> None:
    model = tiny_model()
    assigned = allocate(plan(method="row_quantization", keep=0.3), model.targets)
    small = [
        a.__class__(**{**vars(a), "rule": Rule(method="svd", keep=0.01, allocation="automatic")})
        for a in assigned
    ]
    # One rule for all, as a plan has it.
    small = [a.__class__(**{**vars(a), "rule": small[0].rule}) for a in small]
    with pytest.raises(BudgetError, match="at least"):
        allocate_by_loss(model, small, text(model))


def test_undecided_bytes_are_not_compressed_by_mistake() -> None:
    model = tiny_model()
    with pytest.raises(AssertionError, match="allocated first"):
        next(compress_targets(model, allocate(plan(), model.targets), calibration=text(model)))


def test_another_keep_reuses_what_was_decomposed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    given = text(model)
    first = compress_at_once(model, allocate(plan(), model.targets), calibration=given)[1]
    monkeypatch.setattr(
        "compress_lib.methods.linalg.two_sided_bases", lambda *_: pytest.fail("computed again")
    )
    again = compress_at_once(model, allocate(plan(), model.targets), calibration=given)[1]
    smaller = compress_at_once(model, allocate(plan(keep=0.4), model.targets), calibration=given)[1]
    ids = torch.arange(20)[None]
    assert torch.equal(first.module(ids).logits, again.module(ids).logits)
    assert not torch.equal(first.module(ids).logits, smaller.module(ids).logits)


def test_trying_out_families_can_be_stopped() -> None:
    model = tiny_model()
    given = text(model)
    told: list[str] = []

    def report(event: Event) -> None:
        told.append(event.message)
        if "Two-sided" in event.message and "measuring" in told[0]:
            raise StoppedError

    shared = allocate_by_loss(model, allocate(plan(), model.targets), given)
    needs = {t.name: a.required_statistics_for(t) for a in shared.assignments for t in a.targets}
    bench = TargetCompressor(model, given, collect_statistics(model, needs, given))
    with pytest.raises(StoppedError):
        loss_correction_factors(bench, shared.assignments, report)
