"""Between the form and a plan: both say the same, and what a browser sends is checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError
from compress_lib.methods import METHODS, build_method
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import to_query
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.ui import job_updates
from compress_lib.ui.app import Page
from compress_lib.ui.common import texts
from compress_lib.ui.form import binding, model_choices, preview
from compress_lib.ui.form import events as form_events
from compress_lib.ui.form.map_events import MapEvents
from compress_lib.ui.form.map_history import History, goes_back, history_of
from compress_lib.ui.form.method_options import option_groups
from compress_lib.utils.paths import ROOT
from tests.support.page import PLAN, TinyEngine, finish, given, read_form


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        Plan(),
        replace(PLAN, rules=(Rule(pattern="*", method="svd", keep=0.3),)),
        replace(
            PLAN,
            rules=(
                Rule(pattern="query,key", method="row_normalized_svd", keep=0.4),
                Rule(pattern="query@0-3", method="svd", keep=0.7),
                Rule(pattern="@0", method=DENSE),
            ),
        ),
        replace(
            PLAN,
            rules=(Rule(pattern="embedding", method="autoencoder", options={"epochs": 3}),),
        ),
        replace(PLAN, rules=(Rule(pattern="*down_proj", method="svd", keep=0.25),)),
        replace(
            PLAN,
            rules=(
                Rule(pattern="key", group="concatenated", window=4, orientation="columns"),
                Rule(pattern="key@0", method=DENSE),
            ),
        ),
        replace(PLAN, rules=(Rule(pattern="query@0-3", group="concatenated"),)),
        replace(PLAN, rules=(Rule(pattern="embedding", tie="input", keep=1 / 3),)),
        replace(PLAN, calibration=TextSpec(tokens=4096)),
        replace(
            PLAN,
            rules=(
                Rule(pattern="key", allocation="automatic", inputs="compressed"),
                Rule(pattern="key@0", keep=0.7, allocation="automatic", inputs="compressed"),
            ),
        ),
    ],
)
def test_the_form_and_a_plan_say_the_same(plan: Plan) -> None:
    back = read_form(plan)
    assert [rule.canonical(0) for rule in back.rules] == [rule.canonical(0) for rule in plan.rules]
    assert replace(back, rules=plan.rules) == plan
    assert binding.first_plan(to_query(plan)) == (back, None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": "/etc"}, "neither in the list nor a Hub ID"),
        ({"model": "../../etc/passwd"}, "neither in the list nor a Hub ID"),
        ({"model": "weights.gguf"}, "neither in the list nor a Hub ID"),
        ({"model": "owner/weights.gguf"}, "neither in the list nor a Hub ID"),
        ({"model": "compress_lib/ui"}, "neither in the list nor a Hub ID"),
        ({"model": "compress_lib/.."}, "neither in the list nor a Hub ID"),
        ({"model": "owner/" + "x" * 5000}, "neither in the list nor a Hub ID"),
        ({"model": "owner/\0"}, "neither in the list nor a Hub ID"),
        ({"model": None}, "neither in the list nor a Hub ID"),
        ({"method": "svdd"}, "Did you mean 'svd'"),
        ({"keep": 0}, "keep must be above 0"),
        ({"keep": float("nan")}, "keep must be a number"),
        ({"keep": "lots"}, "keep must be a number"),
        ({"families": []}, "Choose something to compress"),
        ({"families": "embedding; rm -rf"}, None),
        ({"overrides": [["query", "svd", "2"]]}, "size kept in row 'query' must be above 0"),
        ({"overrides": [["query", "nope", "0.5"]]}, "Unknown method"),
        ({"overrides": [["query@x", "svd", "0.5"]]}, None),
        ({"corpus": "/etc/passwd"}, "not a text of this page"),
        ({"calibration": "own"}, "not a text of this page"),
        ({"corpus": "own", "own_text": "  "}, "custom text is empty"),
        ({"corpus": "own", "own_text": "x" * 200_001}, "at most 200,000"),
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "x" * 2001}, "2,001 characters"),
        ({"tokens": 10**9}, "at most 16,384"),
        ({"tokens": None}, "Tokens must be a number"),
        ({"calibration_tokens": 10**9}, "at most 65,536"),
        ({"calibration_tokens": None}, "Calibration tokens must be a number"),
        ({"context": 0}, "context must be"),
        ({"new_tokens": 10_000}, "at most 256"),
        ({"temperature": -1}, "temperature must be"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"group": "both"}, "Unknown group"),
        ({"group": None}, "Unknown group"),
        ({"window": -1}, "window must be"),
        ({"window": None}, "window must be"),
        ({"orientation": "<b>"}, "Unknown orientation"),
        ({"tie": "output"}, "Unknown tie"),
        ({"allocation": "manual"}, "Unknown allocation"),
        ({"inputs": None}, "Unknown inputs"),
        ({"inputs": "compressed", "group": "concatenated"}, "use group=separated"),
    ],
)
def test_what_a_browser_sends_is_checked(
    engine: TinyEngine,
    changes: dict[str, Any],
    complaint: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    if complaint is None:
        preview.describe_plan(engine, read_form(**changes))
        return
    with pytest.raises(CompressionError, match=complaint):
        list(job_updates.run_plans(engine, [read_form(**changes)]))
    assert engine.runs.store.runs() == []


def test_the_form_shares_bytes_out_and_goes_layer_by_layer(engine: TinyEngine) -> None:
    rule = Rule(pattern="key,ffn_out", method="svd", allocation="by_family", inputs="compressed")
    _, record = finish(engine, read_form(replace(PLAN, rules=(rule,))))
    assert record.plan.rules[0].allocation == "by_family"
    assert [target.layer for target in record.targets] in ([0, 1], [0, 0, 1, 1])


def test_the_words_of_a_rule_have_a_label_each() -> None:
    from compress_lib.plan.rule import WORDS

    for word, allowed in WORDS.items():
        assert set(getattr(texts, f"{word.upper()}_CHOICES")) == set(allowed)


def test_a_link_fills_the_form_and_a_broken_one_says_so() -> None:
    plan, complaint = binding.first_plan(to_query(PLAN))
    assert complaint is None
    assert plan.rules == PLAN.rules
    plan, complaint = binding.first_plan("rule=embedding~nope~0.5")
    assert plan == Plan()
    assert complaint is not None
    assert "Unknown method" in complaint
    plan, complaint = binding.first_plan("rule=query~svd~0.5~.group=concatenated&rule=key~svd~0.5")
    assert complaint == texts.MORE_THAN_THE_FORM
    assert [rule.group for rule in plan.rules] == ["concatenated"] * 2
    plan, complaint = binding.first_plan("model=/etc&rule=embedding~svd~0.5")
    assert plan == Plan()
    assert complaint is not None


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].presets])
def test_a_methods_presets_are_buttons_that_set_all_its_options(method: str) -> None:
    with gr.Blocks():
        _, fields, settings = option_groups(binding.form_values(Plan()))
    assert len(fields) == len(binding.option_fields())
    options = METHODS[method].options()
    first = [name for name, _ in binding.option_fields()].index(method)
    mine = list(fields.values())[first : first + len(options)]
    own = [s for s in settings if s.fields == mine]
    assert [s.button.value for s in own] == [*METHODS[method].presets, texts.DEFAULTS]
    for shown, chosen in zip(own, [*METHODS[method].presets.values(), {}], strict=True):
        values = dict(zip([option.name for option in options], shown.values, strict=True))
        assert values == {option.name: option.default for option in options} | dict(chosen)
        assert build_method(method, values)


def test_a_method_whose_options_decide_its_size_asks_for_no_keep(engine: TinyEngine) -> None:
    _, record = finish(engine, read_form(method="int8", keep=0.5))
    assert record.plan.rules[0].keep == 1.0
    target = record.targets[0]
    assert target.bytes_after > target.bytes_before / 2
    read = read_form(overrides=[["key", "int4", ""], ["query", "int4", "0.4"]])
    assert [rule.keep for rule in read.rules] == [0.5, 1.0, 0.4]


def test_the_slider_rests_while_options_decide_the_size() -> None:
    for method, moves in (("int8", False), ("svd", True)):
        _, keep, *groups = form_events.choose_method(method)
        assert keep["interactive"] is moves
        assert sum(group.visible for group in groups) == 1
    assert keep["info"] == texts.KEEP_INFO


def test_models_that_are_not_here_say_what_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = CATALOGUE["gpt2"]
    monkeypatch.setattr(
        model_choices, "cached_weights", lambda entry: entry if entry == here else None
    )
    labels = {name: label for label, name in model_choices.model_choices()}
    assert list(labels) == list(CATALOGUE)
    assert labels.pop("gpt2") == here.label
    assert all(" MB download)" in label for label in labels.values())


def test_a_line_of_the_table_has_to_say_where() -> None:
    for line in (["", "svd", "0.5"], ["", "", "0.4"]):
        with pytest.raises(CompressionError, match="has no pattern"):
            read_form(overrides=[line])


def test_what_the_form_begins_with_is_a_step_to_go_back_to() -> None:
    page = Page()
    page.build()
    begun = page.panel.map.history.value
    assert not goes_back(history_of(begun), Plan())
    changed = Plan(rules=(Rule(pattern="*", method="svd", keep=0.4),))
    assert goes_back(history_of(begun), changed)
    chart, panel = page.panel.map, page.panel
    events = MapEvents(chart, page.engine, panel, page.current)
    undone = events.step(History.undo, given(page, changed, {chart.history: begun}))
    assert panel.read(undone).rules == Plan().rules
    assert undone[chart.redo].interactive
    redone = events.step(History.redo, undone)
    assert panel.read(redone).rules == changed.rules
