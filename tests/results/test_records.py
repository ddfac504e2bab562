"""Records: JSON there and back, numbers that agree with each other, tables."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_lib.errors import CompressionError
from compress_lib.methods import OptionValue
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.results.describe import (
    describe,
    describe_decoding,
    scope_label,
    targets_frame,
    to_frame,
)
from compress_lib.results.metrics import ERRORS, METRICS, label
from compress_lib.results.records import RunRecord, SpeedRecord
from compress_lib.results.target_record import DirectionError, TargetRecord
from compress_lib.runs.execute import execute
from compress_lib.utils.formatting import format_count
from tests.support.compressed import run_record, target_record
from tests.support.tiny import tiny_model

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def through_json(record: RunRecord) -> RunRecord:
    return RunRecord.from_json(json.loads(json.dumps(record.to_json())))


def test_a_record_goes_through_json_unchanged() -> None:
    record = run_record()
    assert through_json(record) == record


@given(
    targets=st.lists(
        st.builds(
            TargetRecord,
            names=st.lists(st.text(), min_size=1, max_size=3).map(tuple),
            relative_error=FINITE,
            squared_norm=FINITE,
            seconds=FINITE,
            direction_error=st.builds(DirectionError, FINITE, FINITE, FINITE, FINITE),
        ),
        max_size=3,
    ).map(tuple),
    seconds=st.dictionaries(st.text(), FINITE, max_size=3),
)
def test_any_numbers_and_names_go_through_json(
    targets: tuple[TargetRecord, ...], seconds: dict[str, float]
) -> None:
    record = run_record(targets=targets, direction=None, text=(), seconds=seconds)
    assert through_json(record) == record


def test_a_perplexity_beyond_all_bounds_is_kept() -> None:
    perplexity = replace(run_record().perplexity, compressed=math.inf, ratio=math.inf)
    again = through_json(run_record(perplexity=perplexity))
    assert again.perplexity.compressed == math.inf


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"perplexity": None}, "perplexity"),
        ({"memory": {"baseline_bytes": "much"}}, r"memory\.baseline_bytes"),
        ({"targets": [{"names": ["x"]}]}, r"targets\.0"),
        ({"seconds": [1]}, "seconds"),
    ],
)
def test_what_is_not_a_record_is_named(change: dict[str, Any], place: str) -> None:
    with pytest.raises(CompressionError, match=f"not a run record: {place}"):
        RunRecord.from_json(run_record().to_json() | change)


@pytest.mark.parametrize("data", [None, [], "record", 7, {}])
def test_something_else_is_not_a_record(data: object) -> None:
    with pytest.raises(CompressionError, match="not a run record"):
        RunRecord.from_json(data)


# Plans of other versions.


@pytest.mark.parametrize(
    ("change", "name", "refusal"),
    [
        ({"method": "gone", "options": {"depth": 3}}, "gone 0.5 · embedding", "method 'gone'"),
        ({"options": {"depth": 3}}, "SVD 0.5 · embedding", "option of svd 'depth'"),
        ({"allocation": "guessed"}, "SVD 0.5 · embedding", "allocation 'guessed'"),
    ],
)
def test_a_run_of_what_is_not_known_is_read_and_kept_but_not_run_again(
    change: dict[str, Any], name: str, refusal: str
) -> None:
    data = run_record().to_json()
    known = data["plan"]["rules"][0]
    data["plan"]["rules"] = [known, known | change]
    record = RunRecord.from_json(json.loads(json.dumps(data)))
    assert not record.plan.runnable
    assert describe(record).endswith(name)
    assert record.to_json() == data
    assert through_json(record) == record
    with pytest.raises(CompressionError, match=refusal):
        execute(record.plan, load=lambda *_: tiny_model())
    assert run_record().plan.runnable


# Metrics.


def test_every_metric_of_the_table_is_in_the_record_and_no_other() -> None:
    assert set(run_record().metrics()) == set(METRICS)
    assert set(run_record(targets=(), direction=None).metrics()) == set(METRICS)
    assert all(name == metric.name and metric.meaning for name, metric in METRICS.items())


def test_metrics_agree_with_the_fields() -> None:
    found = run_record().metrics()
    assert found == {
        "perplexity": 30.0,
        "perplexity_ratio": 1.5,
        "megabytes": 3.0,
        "size_share": 75.0,
        "parameters": None,
        "kl": 0.25,
        "top1": 75.0,
        "speed": None,
        "direction_error": 0.1,
        "relative_error": 0.5,
    }


def test_the_direction_error_is_that_of_a_table() -> None:
    other = target_record("query", direction_error=DirectionError(0.9, 0.9, 0.9, 0.9))
    assert run_record(targets=(other,)).metrics()["direction_error"] is None
    assert run_record(targets=(other, target_record())).metrics()["direction_error"] == 0.1
    head = target_record("head")
    assert run_record(targets=(head,)).metrics()["direction_error"] == 0.1


def test_relative_errors_add_up_by_the_weights_norms() -> None:
    # ‖W − Ŵ‖² = 0.6² · 100 + 0.8² · 300 = 36 + 192 = 228, of ‖W‖² = 400.
    targets = (
        target_record(squared_norm=100.0, relative_error=0.6),
        target_record("query", squared_norm=300.0, relative_error=0.8),
    )
    assert run_record(targets=targets).relative_error == pytest.approx(math.sqrt(228 / 400))
    assert run_record(targets=()).relative_error == 0.0
    assert run_record(targets=(target_record(squared_norm=0.0),)).relative_error == 0.0


def test_every_error_of_a_weight_has_a_definition() -> None:
    assert set(target_record().errors) == set(ERRORS)
    assert all(metric.lower_is_better for metric in ERRORS.values())
    shared = set(ERRORS) & set(METRICS)
    assert all(ERRORS[name] is METRICS[name] for name in shared)
    assert target_record(rmse=0.5).errors["rmse"] == 0.5
    assert [label(name) for name in ("mae", "kl", "loss")] == ["MAE", "KL divergence", "Loss"]


def test_a_run_that_was_timed_tells_its_speed() -> None:
    assert run_record(speed=SpeedRecord(100.0, 150.0)).metrics()["speed"] == 1.5


def test_better_is_lower_but_for_agreement_and_speed() -> None:
    higher = [name for name, metric in METRICS.items() if not metric.lower_is_better]
    assert higher == ["top1", "speed"]


# Tables and names.


def test_a_table_has_a_row_a_run_and_every_metric() -> None:
    records = [run_record("a" * 16), run_record("b" * 16, targets=(), direction=None)]
    frame = to_frame(records)
    assert list(frame["key"]) == ["a" * 16, "b" * 16]
    assert set(METRICS) <= set(frame.columns)
    assert frame["perplexity"].tolist() == [30.0, 30.0]
    assert frame["bytes"].tolist() == [3_000_000, 3_000_000]
    assert frame["seconds"].tolist() == [3.5, 3.5]
    assert frame["direction_error"].isna().tolist() == [False, True]
    assert frame["methods"].tolist() == ["svd", ""]
    assert len(to_frame([])) == 0


def test_weights_have_a_table_of_their_own() -> None:
    record = run_record(targets=(target_record(), target_record("query", layer=3, rank=None)))
    frame = targets_frame(record)
    assert frame["family"].tolist() == ["embedding", "query"]
    assert frame["names"].tolist() == ["model.embed_tokens, lm_head"] * 2
    assert frame["direction_mean"].tolist() == [0.1, 0.1]
    assert frame["bytes_after"].sum() == 2 * 9_856
    assert "direction_error" not in frame.columns


def test_methods_are_named_once_each() -> None:
    targets = [target_record(method=name) for name in ("svd", "autoencoder", "svd")]
    assert run_record(targets=tuple(targets)).methods == ("svd", "autoencoder")


def test_a_run_is_described_by_what_it_did() -> None:
    record = run_record()
    rule = {"pattern": "embedding", "method": "svd", "keep": 0.5, "options": {}}

    def described(*rules: dict[str, Any]) -> str:
        plan = {**record.plan.to_json(), "rules": list(rules)}
        return describe(RunRecord.from_json({**record.to_json(), "plan": plan}))

    assert described(rule) == "SVD 0.5 · embedding"
    assert described(rule | {"pattern": "*"}) == "SVD 0.5 · everything"
    assert described(rule | {"method": "dense"}) == "baseline"
    value, ends = ({"pattern": pattern, "method": "dense"} for pattern in ("value", "@0-1,key@5"))
    assert described(rule, rule | value) == "SVD 0.5 · embedding, value left dense"
    both = described(rule | {"pattern": "*"}, rule | ends)
    assert both == "SVD 0.5 · everything, layers 0-1, key@5 left dense"
    one = described(rule, rule | {"pattern": "@3", "method": "dense"})
    assert one == "SVD 0.5 · embedding, layer 3 left dense"
    assert described(rule | {"method": "gone"}) == "gone 0.5 · embedding"
    two = described(rule, rule | {"pattern": "query@0-3", "keep": 0.25})
    assert two == "SVD 0.5 · embedding, SVD 0.25 · query@0-3"
    together = described(rule | {"group": "concatenated", "window": 4, "orientation": "columns"})
    assert together == "SVD 0.5 · embedding (concatenated in groups of 4 layers, columns)"


@pytest.mark.parametrize(
    ("families", "words"),
    [
        ("embedding", "embedding"),
        ("head", "LM head"),
        ("query key value attention_output", "attention"),
        ("ffn_in ffn_out", "FFN"),
        ("query", "query"),
        ("embedding query", "embedding, query"),
        ("embedding query key", "everything"),
    ],
)
def test_what_a_run_compressed_is_said_in_a_word_or_two(families: str, words: str) -> None:
    targets = tuple(target_record(family) for family in families.split())
    assert scope_label(run_record(targets=targets)) == words


def test_what_decoding_costs_is_said_of_the_weights_that_have_to_be_decoded() -> None:
    assert describe_decoding(run_record()) == ""
    decoded = target_record("key", rows=100, cols=30, decode_cost=42_000)
    found = describe_decoding(run_record(targets=(target_record(), decoded)))
    assert found == (
        "Decoding costs 42 k multiply-adds per forward pass, 14× the dense matrix products for one "
        "token."
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [(7, "7"), (999.4, "999"), (999.6, "1 k"), (1.94e9, "1.94 G"), (999_900_000, "1 G")],
)
def test_large_counts_have_prefixes(count: float, text: str) -> None:
    assert format_count(count) == text


def test_a_preset_is_part_of_a_runs_name() -> None:
    from compress_lib.methods import preset_options
    from compress_lib.plan.plan import Plan
    from compress_lib.plan.rule import Rule
    from compress_lib.results.describe import describe, settings_label

    lab = preset_options("autoencoder", "Lab")
    rule = Rule(pattern="embedding", method="autoencoder", keep=0.5, options=lab)
    record = run_record(plan=Plan(rules=(rule,)))
    assert describe(record) == "Autoencoder 0.5 · embedding (preset Lab)"
    assert settings_label(record) == " (preset Lab)" and settings_label(run_record()) == ""


def test_a_method_whose_options_say_the_size_is_named_by_them() -> None:
    options: dict[str, OptionValue] = {"group_size": 32, "algorithm": "gptq"}
    plan = Plan(rules=(Rule(pattern="embedding", method="int4", keep=1.0, options=options),))
    assert describe(run_record(plan=plan)) == ("int4 · embedding (group size 32, gptq)")
    plain = Plan(rules=(Rule(pattern="embedding", method="int8", keep=1.0),))
    assert describe(run_record(plan=plain)) == "int8 · embedding"
