"""What people take away says what was run: code and notebooks run, pages need no network."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub import ModelCard

import compress_lib
from compress_lib.cli.main import main
from compress_lib.data.text_spec import TextSpec
from compress_lib.plan.plan import Generation, Plan
from compress_lib.plan.rule import Rule
from compress_lib.reporting.exports.card import CARD_FILE, RECORD_FILE, model_card
from compress_lib.reporting.exports.code import constructor, python_code
from compress_lib.reporting.exports.notebook import notebook
from compress_lib.reporting.exports.report import report
from compress_lib.results.confidence import perplexity_interval
from compress_lib.results.landmarks import landmarks_by_name, load_landmarks
from compress_lib.results.predictions import predicted_loss
from compress_lib.results.records import RunRecord
from compress_lib.results.text_record import WrittenToken
from compress_lib.utils.formatting import format_number
from tests.support.tiny import save_tiny

PLANS = [
    Plan(),
    Plan(
        model="gpt2",
        rules=(
            Rule(
                pattern="*",
                method="int4",
                keep=1.0,
                options={"algorithm": "gptq", "group_size": 32},
            ),
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


def test_a_report_tells_how_sure_it_is_and_what_was_expected() -> None:
    record = landmarks_by_name()["embedding-two_sided_svd-0.5"]
    told = predicted_loss(record)
    ends = perplexity_interval(record.perplexity)
    assert told is not None and ends is not None
    page = report(record)
    assert f" ({format_number(ends[0])} to {format_number(ends[1])})</td>" in page
    assert f"about {told:.2g} nats/token" in page


def test_what_a_model_wrote_is_escaped_in_a_report() -> None:
    record = next(record for record in load_landmarks() if record.text)
    evil = "<script>alert(1)</script>"
    tokens = (WrittenToken(text=evil, own=0.5, other=0.001),)
    text = replace(record.text[0], compressed=evil, prompt=evil, compressed_tokens=tokens)
    assert 'title="p = 0.1% under the other model, 50% under this one"' in report(
        replace(record, text=(text,))
    )
    named = replace(record, text=(text,), model=replace(record.model, id=evil, source=evil))
    assert evil not in report(named)


def test_a_card_states_plan_and_cost(tmp_path: Path) -> None:
    record = load_landmarks()[3]
    card = model_card(record)
    front = card.split("---")[1]
    # The Hub reads it, and shows the measured perplexity.
    data: Any = ModelCard(card).data
    assert data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert [one.metric_type for one in data.eval_results] == ["perplexity", "kl"]
    assert data.eval_results[0].metric_value == pytest.approx(record.perplexity.compressed, 1e-5)
    assert "library_name: transformers" in front
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in front
    assert record.perplexity.corpus in card
    block = re.findall(r"```python\n(.*?)```", card, flags=re.S)[-1]
    assert "Plan(" in block


def test_a_card_of_a_folder_says_neither_where_it_lies_nor_what_was_pasted() -> None:
    record = load_landmarks()[3]
    place = "/home/somebody/models/mine"
    own = replace(record.plan.evaluation, corpus="own", text="A secret. " * 200)
    plan = replace(record.plan, model=place, evaluation=own)
    ppl = replace(record.perplexity, protocol="whole_word")
    model = replace(record.model, id=place)
    card = model_card(replace(record, model=model, plan=plan, perplexity=ppl))
    assert "somebody" not in card
    assert "secret" not in card
    assert "base_model" not in card
    assert "# mine, compressed" in card
    assert "AutoModelForMaskedLM.from_pretrained" in card


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with its card, as the command line saves it."""
    model = save_tiny(tmp_path_factory.mktemp("model"))
    folder = tmp_path_factory.mktemp("saved") / "small"
    plan = ["--method", "svd", "--keep", "0.5", "--include", "embedding", "--device", "cpu"]
    texts = ["--tokens", "200", "--context", "50", "--new-tokens", "2"]
    assert main(["run", str(model), *plan, *texts, "--save", str(folder)]) == 0
    return folder


def test_a_saved_checkpoint_says_what_it_cost(saved: Path) -> None:
    record = RunRecord.from_json(json.loads((saved / RECORD_FILE).read_text(encoding="utf-8")))
    card = (saved / CARD_FILE).read_text(encoding="utf-8")
    assert card == model_card(record)
    assert f"{100 * record.agreement.top1:.1f}%" in card


def test_push_sends_the_folder(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []

    class Hub:
        public = False

        def create_repo(self, repo: str, **more: Any) -> None:
            sent.append((repo, more))

        def repo_info(self, repo: str) -> Any:
            return SimpleNamespace(private=not self.public)

        def upload_folder(self, **more: Any) -> str:
            sent.append(("upload", more))
            return "https://hub.example/me/small/commit/1"

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert main(["push", str(saved), "me/small", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sent == []
    assert {CARD_FILE, RECORD_FILE, "model.safetensors", "config.json"} <= set(told["files"])
    assert main(["push", str(saved), "me/small", "--private"]) == 0
    assert sent[0] == ("me/small", {"private": True, "exist_ok": True})
    assert sent[1][1]["folder_path"] == saved
    assert sorted(sent[1][1]["allow_patterns"]) == sorted(told["files"])
    assert "commit/1" in capsys.readouterr().out
    sent.clear()
    monkeypatch.setattr(Hub, "public", True)
    assert main(["push", str(saved), "me/small", "--private"]) == 2
    assert [what for what, _ in sent] == ["me/small"]
    assert "is public" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "repo", "complaint"),
    [
        (".", "me/small", "not a checkpoint of Compression Lab"),
        ("no such folder", "me/small", "not a checkpoint of Compression Lab"),
        (None, "small", "A repository must be owner/name"),
    ],
)
def test_what_cannot_be_pushed_is_said_before(
    saved: Path, folder: str | None, repo: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", folder or str(saved), repo]) == 2
    assert complaint in capsys.readouterr().err


def test_what_the_hub_says_reaches_the_person(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hub:
        def create_repo(self, repo: str, **more: Any) -> None:
            raise httpx.ConnectError("no route to the Hub")

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert main(["push", str(saved), "me/small"]) == 2
    assert "upload to me/small failed: no route to the Hub" in capsys.readouterr().err
