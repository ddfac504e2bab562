"""What people take away says what was run: code and notebooks run, pages need no network."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import compress_lib
from compress_lib.exports.card import model_card
from compress_lib.exports.code import constructor, python_code
from compress_lib.exports.notebook import notebook
from compress_lib.exports.report import report
from compress_lib.landmarks import load_landmarks
from compress_lib.plan import Generation, Plan, Rule, TextSpec
from compress_lib.results import RunRecord

PLANS = [
    Plan(),
    Plan(
        model="gpt2",
        rules=(
            Rule(pattern="*", method="int4", keep=1.0, options={"refine": "gptq", "group": 32}),
            Rule(pattern="query,key@0-3", method="two_sided_svd", keep=0.3, allocation="automatic"),
            Rule(pattern="@0", method="dense"),
        ),
        evaluation=TextSpec(corpus="own", text='He said "no"\nand left.', tokens=100, context=50),
        calibration=TextSpec(tokens=4096),
        prompts=("It's a \\ test", "second"),
        generation=Generation(temperature=0.7),
        seed=5,
    ),
]


def executed(source: str, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run code with the public names, and return what it defines."""
    scope: dict[str, Any] = dict(known or {})
    exec(source, scope)
    return scope


@pytest.mark.parametrize("plan", PLANS)
def test_code_makes_the_same_plan(plan: Plan) -> None:
    names = {
        name: getattr(compress_lib, name) for name in ("Plan", "Rule", "TextSpec", "Generation")
    }
    assert eval(constructor(plan), names) == plan
    assert all(len(line) <= 130 for line in python_code(plan).splitlines())


@pytest.mark.parametrize("plan", PLANS)
def test_code_and_notebook_run(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Plan] = []
    record = load_landmarks()[0]

    def run_plan(given: Plan) -> RunRecord:
        asked.append(given)
        return record

    monkeypatch.setattr(compress_lib, "run_plan", run_plan)
    executed(python_code(plan))
    cells = json.loads(notebook(plan, "A run"))["cells"]
    executed("\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code"))
    assert asked == [plan, plan]
    assert record.text[0].baseline in capsys.readouterr().out


@pytest.mark.parametrize("record", load_landmarks()[::7], ids=lambda record: record.key)
def test_a_report_needs_no_network(record: RunRecord) -> None:
    page = report(record, load_landmarks())
    # Nothing is fetched; a chart's links may be clicked.
    assert not re.findall(
        r'<(?:script|img|link|iframe)[^>]*(?:src|href)=|@import|url\(["\']?http', page
    )
    assert page.count("<h2>Matrices</h2>") == 1
    assert f"{record.agreement.kl:.4g}" in page


def test_what_a_model_wrote_is_escaped_in_a_report() -> None:
    record = next(record for record in load_landmarks() if record.text)
    evil = "<script>alert(1)</script>"
    text = replace(record.text[0], compressed=evil, prompt=evil)
    named = replace(record, text=(text,), model=replace(record.model, id=evil, source=evil))
    assert evil not in report(named)


def test_a_card_states_plan_and_cost(tmp_path: Path) -> None:
    record = load_landmarks()[3]
    card = model_card(record)
    front = card.split("---")[1]
    assert "library_name: transformers" in front
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in front
    assert record.perplexity.corpus in card
    block = re.findall(r"```python\n(.*?)```", card, flags=re.S)[-1]
    assert "Plan(" in block
