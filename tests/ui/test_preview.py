"""What the page says of a plan before it is run."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.ui.app import Page
from compress_lib.ui.common import texts
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import preview
from compress_lib.ui.form.map_events import MapEvents
from compress_lib.utils.progress import ignore
from tests.support.page import PLAN, TinyEngine, given


def test_the_preview_says_rank_bytes_and_break_even(engine: TinyEngine) -> None:
    engine.load("owner/name", None, "cpu", ignore)
    plan = replace(PLAN, model="owner/name")
    found = preview.describe_plan(engine, plan)
    assert "rank 14 of 32" in found
    assert f"Rank must stay below {320 * 32 // 352} to save memory" in found
    tiny = replace(plan, rules=(Rule(pattern="query", method="svd", keep=0.01),))
    assert "below rank 1" in preview.describe_plan(engine, tiny)
    unknown = preview.describe_plan(engine, replace(PLAN, model="never/seen"))
    assert texts.UNKNOWN_SHAPES in unknown


def test_the_preview_counts_matrices_and_groups() -> None:
    def described(**changes: Any) -> str:
        rule = Rule(pattern="key", method="svd", keep=0.5, group="concatenated")
        return preview.describe_plan(Engine(), Plan(rules=(replace(rule, **changes),)))

    assert "30 matrices in 1 group, rank" in described()
    assert "30 matrices in 3 groups, rank" in described(window=10)
    assert "30 matrices, rank" in described(group="separated")
    # Stacked rows are many, so that columns leave the larger rank.
    assert described(orientation="rows") != described(orientation="columns")
    grown = described(pattern="embedding", tie="input")
    assert "keeps its own matrix of 56.6 MB" in grown
    assert "(110.5%)" in grown


def test_the_preview_says_that_both_ends_are_one_table() -> None:
    def told(pattern: str, **changes: Any) -> str:
        rule = Rule(pattern=pattern, method="svd", keep=0.5, **changes)
        return html.unescape(preview.describe_plan(Engine(), Plan(rules=(rule,))))

    assert texts.PREVIEW_TIED["embedding"] in told("embedding")
    assert texts.PREVIEW_TIED["head"] in told("head,query")
    for silent in ("*", "query", "embedding,head"):
        assert not any(said in told(silent) for said in texts.PREVIEW_TIED.values())
    assert texts.PREVIEW_TIED["embedding"] not in told("embedding", tie="input")
    # What is left dense is not compressed at either end.
    svd, dense = Rule(method="svd", keep=0.5), Rule(pattern="embedding", method="dense")
    for first in (replace(svd, pattern="*"), replace(svd, pattern="query")):
        found = html.unescape(preview.describe_plan(Engine(), Plan(rules=(first, dense))))
        assert not any(said in found for said in texts.PREVIEW_TIED.values())
    both = Plan(rules=(replace(svd, pattern="*"), replace(svd, pattern="head,query")))
    assert texts.PREVIEW_TIED["head"] not in html.unescape(preview.describe_plan(Engine(), both))


def test_the_preview_of_mixed_methods_tells_both() -> None:
    rules = (
        Rule(pattern="*", method="row_quantization", keep=0.3),
        Rule(pattern="query@3-6", method="svd", keep=0.5),
    )
    assert "211 matrices, 4 bits, rank 144" in preview.describe_plan(Engine(), Plan(rules=rules))


def test_the_preview_of_bytes_that_are_shared_out_knows_no_ranks() -> None:
    def described(**changes: Any) -> str:
        rule = Rule(pattern="key", method="two_sided_svd", keep=0.5, allocation="automatic")
        return preview.describe_plan(Engine(), Plan(rules=(replace(rule, **changes),)))

    assert "30 matrices, allocated by estimated loss: " in described()
    assert "1 matrix, allocated by estimated loss: " in described(pattern="key@0")
    assert "rank" not in described() + described(pattern="key@0")
    assert "rank" in described(allocation="uniform")


def test_the_default_models_matrices_are_known_before_it_is_loaded() -> None:
    found = preview.describe_plan(Engine(), Plan(rules=(Rule(pattern="*", keep=0.5),)))
    assert "211 matrices" in found


def test_the_map_tells_what_would_become_of_what_is_chosen() -> None:
    page = Page()
    page.build()
    chart = page.panel.map
    events = MapEvents(chart, page.engine, page.panel, page.current)

    def tried(chosen: list[Any], keep: float = 0.5) -> str:
        state = {chart.chosen: chosen, chart.method: "svd", chart.keep: keep}
        return html.unescape(events.try_tool(given(page, Plan(), state)))

    chosen = [f"model.layers.{layer}.self_attn.q_proj" for layer in (3, 4)]
    told = tried(chosen)
    assert "2 matrices, rank 144" in told
    assert "perplexity" in told
    assert "2 matrices, rank 72" in tried(chosen, 0.25)
    # Nothing is chosen, or it cannot be done: a sentence, no error.
    assert texts.MAP_NOTHING in tried([])
    assert "rank" in tried(chosen, 0.0001)
    # Other keys of a session may hold anything.
    assert texts.MAP_NOTHING in tried([7, None])
