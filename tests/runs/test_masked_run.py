"""A masked model through a whole run, on the command line and on the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from compress_lib.cli.main import main
from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError
from compress_lib.evaluation.fill_mask import fill, with_masks
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import from_query, to_query
from compress_lib.plan.rule import Rule
from compress_lib.results.records import RunRecord
from compress_lib.results.store import Store
from compress_lib.results.text_record import FillRecord, Prediction
from compress_lib.runs.events import BlockScored, MaskFilled, RunFinished
from compress_lib.runs.execute import execute
from compress_lib.ui import job_updates
from compress_lib.ui.common import texts
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding
from compress_lib.ui.results.filled_masks import both_fills
from compress_lib.ui.results.headline import headline
from compress_lib.ui.results.selection import select_run
from compress_lib.ui.results.tabs import TABS
from compress_lib.utils.progress import Event, Report
from tests.support.compressed import run_record
from tests.support.tiny import MASKED, masked_tokenizer, save_tiny, tiny_model

PLAN = Plan(
    model="tiny",
    rules=(Rule(pattern="*", method="svd", keep=0.5),),
    evaluation=TextSpec(tokens=400, context=100),
    calibration=TextSpec(tokens=2000, context=100),
    prompts=("The tide ___ in the ___.", "A letter"),
)


def events(model: LanguageModel, plan: Plan = PLAN) -> list[Event]:
    found: list[Event] = []
    execute(plan, found.append, load=lambda name, revision, device, report: model)
    return found


def record_of(model: LanguageModel, plan: Plan = PLAN) -> RunRecord:
    last = events(model, plan)[-1]
    assert isinstance(last, RunFinished)
    return last.record


@pytest.mark.parametrize("name", sorted(MASKED))
@pytest.mark.parametrize("protocol", ["automatic", "pseudo"])
def test_a_run_measures_and_fills(name: str, protocol: str) -> None:
    plan = replace(PLAN, evaluation=replace(PLAN.evaluation, protocol=protocol))
    found = events(tiny_model(name), plan)
    assert sum(isinstance(event, BlockScored) for event in found) > 1
    assert sum(isinstance(event, MaskFilled) for event in found) == 2
    assert isinstance(found[-1], RunFinished)
    record = found[-1].record
    assert record.perplexity.protocol == ("whole_word" if protocol == "automatic" else protocol)
    assert 300 < record.perplexity.tokens <= 400
    assert record.perplexity.compressed != record.perplexity.baseline
    assert record.text == ()
    assert [fill.prompt for fill in record.fills] == [
        "The tide <mask> in the <mask>.",
        "A letter <mask>.",
    ]
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_the_autoencoder_chooses_by_hidden_words() -> None:
    rule = Rule(pattern="embedding", method="autoencoder", options={"epochs": 4})
    record = record_of(tiny_model("bert"), replace(PLAN, rules=(rule,)))
    assert record.targets[0].method == "autoencoder"
    assert record.direction is not None


def test_the_same_plan_gives_the_same_numbers() -> None:
    model = tiny_model("roberta")
    first, second = record_of(model), record_of(model)
    assert first.perplexity == second.perplexity
    assert first.fills == second.fills
    other = record_of(model, replace(PLAN, seed=1))
    assert other.perplexity.baseline != first.perplexity.baseline
    assert session_runs.comparable([first, second, other], first) == [first, second]


@pytest.mark.parametrize(
    ("name", "protocol", "complaint"),
    [
        ("bert", "causal", "causal is for causal.*tiny-bert is a masked one.*whole_word or pseudo"),
        ("llama", "pseudo", "pseudo is for masked language models, but tiny-llama is a causal"),
        ("llama", "whole_word", "use automatic or causal"),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused_before_any_work(
    name: str, protocol: str, complaint: str
) -> None:
    plan = replace(PLAN, evaluation=replace(PLAN.evaluation, protocol=protocol))
    with pytest.raises(CompressionError, match=complaint):
        events(tiny_model(name), plan)


def test_an_unknown_protocol_is_told_the_nearest() -> None:
    with pytest.raises(CompressionError, match="Did you mean 'pseudo'"):
        TextSpec(protocol="psuedo")


def test_calibration_that_contains_the_evaluation_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    line = "Line {} of a text which goes on for a while, so that it has words enough to hide some."
    file.write_text("".join(f"{line.format(number)}\n" for number in range(300)))
    same = replace(
        PLAN,
        rules=(Rule(pattern="embedding", method="frequency_svd"),),
        evaluation=replace(PLAN.evaluation, corpus=str(file)),
        calibration=TextSpec(corpus=str(file)),
    )
    with pytest.raises(CompressionError, match="also appears in the calibration text"):
        events(tiny_model("bert"), same)


# Plans.


def test_the_usual_protocol_has_the_same_key_by_any_name() -> None:
    def key(protocol: str) -> str:
        return replace(PLAN, evaluation=replace(PLAN.evaluation, protocol=protocol)).key

    assert key("automatic") == key("whole_word") == key("causal") != key("pseudo")


def test_links_and_the_form_carry_the_protocol() -> None:
    plan = Plan(evaluation=TextSpec(protocol="pseudo"))
    assert from_query(to_query(plan)) == plan
    assert binding.read_plan(binding.form_values(plan)).evaluation.protocol == "pseudo"
    assert "protocol" not in to_query(Plan())


def test_a_record_without_a_protocol_is_causal() -> None:
    data = run_record().to_json()
    del data["perplexity"]["protocol"]
    del data["fills"]
    assert RunRecord.from_json(data).perplexity.protocol == "causal"
    assert RunRecord.from_json(data).fills == ()


# Masks.


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ("The [MASK] rose.", "The <M> rose."),
        ("The <mask> rose.", "The <M> rose."),
        ("The ___ rose ______", "The <M> rose <M>"),
        ("The <M> rose.", "The <M> rose."),
        ("The tide", "The tide <M>."),
        ("The tide is. ", "The tide is <M>."),
        ("Is the tide?", "Is the tide <M>?"),
        ("snake_case __init__", "snake_case __init__ <M>."),
    ],
)
def test_a_mask_may_be_written_in_several_ways(prompt: str, written: str) -> None:
    assert with_masks(prompt, "<M>") == written


def test_predictions_are_the_likeliest_tokens_of_each_mask() -> None:
    model = tiny_model("modernbert")
    found = fill(model, "The <mask> rose and <mask>.")
    ids = torch.tensor(masked_tokenizer()("The <mask> rose and <mask>.")["input_ids"])
    places = (ids == model.tokenizer.mask_token_id).nonzero().flatten().tolist()
    assert [p.mask for p in found] == [0] * 5 + [1] * 5
    for number, place in enumerate(places):
        chances = model.module(ids[None]).logits[0, place].softmax(-1)
        best = [p for p in found if p.mask == number]
        assert [p.probability for p in best] == pytest.approx(
            sorted(chances.tolist(), reverse=True)[:5], rel=1e-5
        )
        assert best[0].token == model.tokenizer.decode([int(chances.argmax())])


def test_a_prompt_that_is_too_long_is_refused() -> None:
    with pytest.raises(CompressionError, match="the model's context is 128 tokens"):
        fill(tiny_model("bert"), "word " * 200 + "<mask>")


# What people see.


def test_the_page_shows_both_tables_and_escapes_them() -> None:
    evil = "<script>alert(1)</script>"
    one = (Prediction(0, evil, 0.5), Prediction(1, "b", 0.25))
    html = both_fills([FillRecord(evil, one, one)])
    assert "<script>" not in html
    assert html.count("<table") == 4
    assert "50.0%" in html
    assert "Mask 2" in html
    assert both_fills([]) == ""


class MaskedEngine(Engine):
    """An engine whose models are all one tiny masked model."""

    def load(self, model: str, revision: str | None, device: str, report: Report) -> LanguageModel:
        return tiny_model("bert")


def test_the_page_runs_a_masked_model(tmp_path: Path) -> None:
    engine = MaskedEngine(Store(tmp_path / "runs.sqlite"))
    plan = replace(PLAN, model="bert-base-uncased", prompts=("The ___ rose.",))
    updates = list(job_updates.run_plans(engine, [binding.read_plan(binding.form_values(plan))]))
    record = updates[-1].finished
    assert record is not None
    written = [update.writing for update in updates if update.writing]
    assert written == [both_fills(record.fills)]
    shown = select_run(engine, [record.key], record)
    assert TABS["text"]().show(shown)["texts"] == written[0]
    assert texts.HIDDEN == "of masked tokens"
    assert texts.HIDDEN in headline(record, texts.YOURS)


def test_the_command_line_tells_what_was_filled_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(save_tiny(tmp_path / "model", "distilbert"))
    command = ["run", folder, "--method", "svd", "--keep", "0.5", "--prompt", "The ___ rose."]
    command += ["--tokens", "200", "--context", "60", "--device", "cpu"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "protocol whole_word" in out
    assert "'The <mask> rose.'" in out
    assert main([*command, "--protocol", "causal"]) == 2
    assert "is a masked one" in capsys.readouterr().err
