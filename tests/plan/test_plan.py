"""Plans: round trips, identity, links, and what is refused at once."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError
from compress_lib.methods import METHODS
from compress_lib.plan.plan import Generation, Plan
from compress_lib.plan.query_string import from_query, to_query
from compress_lib.plan.rule import DENSE, Rule

PLAN = Plan(
    model="gpt2",
    rules=(
        Rule(pattern="*", method="svd", keep=0.5),
        Rule(pattern="query@0-3", method="autoencoder", keep=0.3, options={"epochs": 5}),
        Rule(pattern="lm_head", method=DENSE),
    ),
    evaluation=TextSpec(corpus="python-docs", tokens=4096, context=512),
    prompts=("It was a dark & stormy night; 100 % so~",),
    seed=7,
)

plans = st.builds(
    Plan,
    model=st.sampled_from(["smollm2-135m", "gpt2", "owner/name"]),
    rules=st.lists(
        st.builds(
            Rule,
            pattern=st.sampled_from(["*", "embedding", "key@2-3", "*.q_proj"]),
            method=st.sampled_from(["svd", "row_normalized_svd", DENSE]),
            keep=st.integers(1, 100).map(lambda share: share / 100),
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
    prompts=st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=2).map(tuple),
    seed=st.integers(0, 1000),
)


@given(plans)
def test_json_and_link_bring_a_plan_back(plan: Plan) -> None:
    # A lone surrogate cannot be written in UTF-8, so no link or file can hold it.
    if any("\ud800" <= letter <= "\udfff" for prompt in plan.prompts for letter in prompt):
        return
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert from_query(to_query(plan)) == plan


def test_a_link_carries_methods_options_and_layers() -> None:
    back = from_query(to_query(PLAN))
    assert back.key == PLAN.key
    assert back.rules[1].pattern == "query@0-3"
    assert back.prompts == PLAN.prompts


def test_a_link_to_nothing_is_the_default_plan() -> None:
    assert from_query("") == Plan()


def test_text_of_ones_own_stays_out_of_links() -> None:
    own = replace(PLAN, evaluation=TextSpec(corpus="own", text="my secret diary " * 9))
    assert "secret" not in to_query(own)


def test_the_key_is_the_same_for_what_gives_the_same() -> None:
    spelled = replace(Plan(), rules=(replace(Plan().rules[0], options={"bits": 0}),))
    assert spelled.key == Plan().key
    defaults = {option.name: option.default for option in METHODS["autoencoder"].options()}
    defaults.pop("seed")
    short = Plan(rules=(Rule(method="autoencoder"),))
    long = Plan(rules=(Rule(method="autoencoder", options=defaults),))
    assert short.key == long.key
    assert hash(short) == hash(long)


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, seed=8),
        replace(PLAN, model="distilgpt2"),
        replace(PLAN, revision="abc"),
        replace(PLAN, rules=PLAN.rules[:2]),
        replace(PLAN, rules=(replace(PLAN.rules[0], keep=0.51), *PLAN.rules[1:])),
        replace(PLAN, evaluation=replace(PLAN.evaluation, tokens=4095)),
        replace(PLAN, evaluation=replace(PLAN.evaluation, digest="1")),
        replace(PLAN, generation=Generation(temperature=0.5)),
    ],
)
def test_the_key_differs_for_what_may_differ(other: Plan) -> None:
    assert other.key != PLAN.key


def test_a_text_that_was_read_is_known_by_its_content_not_its_place() -> None:
    a = TextSpec(corpus="here/a.txt", digest="1")
    b = TextSpec(corpus="there/b.txt", digest="1")
    assert Plan(evaluation=a).key == Plan(evaluation=b).key


@pytest.mark.parametrize("keep", [0, -0.1, 1.0001, float("nan"), float("inf"), "half", None])
def test_keep_is_a_share(keep: object) -> None:
    with pytest.raises(CompressionError, match="keep must be"):
        Rule(keep=keep)  # type: ignore[arg-type]


def test_an_unknown_method_is_told_the_nearest() -> None:
    with pytest.raises(CompressionError, match="Did you mean 'svd'"):
        Rule(method="svdd")


def test_options_given_as_text_take_their_own_types() -> None:
    rule = Rule(method="autoencoder", options={"epochs": "5", "learning_rate": "0.01"})
    assert rule.options == {"epochs": 5, "learning_rate": 0.01}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rules": ()}, "no rule"),
        ({"prompts": ("  ",)}, "prompt is empty"),
        ({"prompts": ("x" * 2001,)}, "2,001 characters"),
        ({"seed": -1}, "seed must be"),
        ({"seed": "x"}, "seed must be"),
    ],
)
def test_a_wrong_plan_is_one_sentence(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(CompressionError, match=complaint):
        replace(PLAN, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "not a plan"),
        ({"modle": "gpt2"}, "modle"),
        ({"rules": [{"keep": 2}]}, "keep must be"),
        ({"rules": [{"patern": "x"}]}, "patern"),
        ({"evaluation": {"tokens": 1}}, "tokens must be"),
        ({"evaluation": {"corpus": "own"}}, "empty"),
        ({"evaluation": {"corpus": "own", "text": "x" * 200_001}}, "200,001"),
        ({"generation": {"temperature": 9}}, "temperature must be"),
        ({"generation": {"max_new_tokens": 0}}, "max_new_tokens must be"),
    ],
)
def test_a_plan_file_is_checked(data: object, complaint: str) -> None:
    with pytest.raises(CompressionError, match=complaint):
        Plan.from_json(data)


@pytest.mark.parametrize(
    "query",
    ["rule=embedding", "rule=a~svd~x", "tokens=many", "rule=*~nope~0.5", "rule=*~svd~0.5~epochs=1"],
)
def test_a_broken_link_is_one_sentence(query: str) -> None:
    with pytest.raises(CompressionError):
        from_query(query)


def test_plans_and_results_need_no_torch() -> None:
    code = (
        "import sys, compress_lib.plan.plan, compress_lib.results.records;"
        "import compress_lib.plan.allocation;"
        "compress_lib.plan.plan.Plan().key; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
