"""Languages of the page: whole, with the same blanks to fill, and chosen before it is built."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml

import compress_lib
from compress_lib.cli.main import main
from compress_lib.errors import CompressionError
from compress_lib.reporting.plots import direction
from compress_lib.reporting.plots.axes import SIZE_TITLES
from compress_lib.reporting.plots.frontier import FILLED
from compress_lib.results.metrics import ERRORS, METRICS
from compress_lib.ui.common import languages, texts
from compress_lib.ui.lessons import FOLDER, NUMBER, tour
from compress_lib.utils import translation as words
from tests.support.compressed import run_record

NAMES = {name: value for name, value in vars(texts).items() if name.isupper()}
METRICS_AND_ERRORS = {**METRICS, **ERRORS}.values()
OTHERS = [code for code in languages.languages() if code != languages.ENGLISH]
ROOT = Path(compress_lib.__file__).parent
SAME = {"TITLE", "QUICK_TOKENS"}
"""A name is the same everywhere."""


def blanks(text: str) -> list[str]:
    """What is filled into a text, and how."""
    parts = Formatter().parse(text)
    # How a number is written is the language's own business.
    return sorted(f"{name}!{as_}" for _, name, _, as_ in parts if name is not None)


def sentences(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from sentences(part)
    else:
        for part in value:
            yield from sentences(part)


def test_there_is_a_second_language() -> None:
    assert OTHERS


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_says_everything_and_nothing_else(code: str) -> None:
    found = languages.translation(code)
    assert set(found) - SAME == set(NAMES) - SAME
    assert found["LANGUAGE"] == code


def test_every_word_of_the_charts_is_in_the_table_and_no_other() -> None:
    said = {word for metric in METRICS_AND_ERRORS for word in (metric.label, metric.meaning)}
    said |= {*SIZE_TITLES.values(), *(name for _, name in FILLED)}
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "translate":
                said |= {str(one.value) for one in node.args if isinstance(one, ast.Constant)}
    assert said == set(texts.WORDS)


@pytest.mark.parametrize("code", OTHERS)
def test_charts_speak_it_too(code: str) -> None:
    try:
        words.set_translations(languages.translation(code)["WORDS"])
        figure = direction.direction_histogram([run_record()])
        assert figure.layout.xaxis.title.text not in texts.WORDS
        assert words.translate("Perplexity") != "Perplexity"
        assert words.translate("nothing of ours") == "nothing of ours"
    finally:
        words.set_translations({})
    assert words.translate("Perplexity") == "Perplexity"


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_fills_in_the_same(code: str) -> None:
    for name, said in languages.translation(code).items():
        meant = NAMES[name]
        if isinstance(meant, int):
            continue
        if isinstance(meant, dict) and name != "TERMS":
            assert said.keys() == meant.keys(), name
        ours, theirs = list(sentences(said)), list(sentences(meant))
        assert len(ours) == len(theirs), name
        for one, other in zip(ours, theirs, strict=True):
            assert blanks(one) == blanks(other), name
            assert one.strip()


@pytest.mark.parametrize("code", OTHERS)
def test_the_tour_asks_the_same_in_it(code: str) -> None:
    for step, other in zip(tour(), tour(code), strict=True):
        assert (other.name, other.plan, other.answer) == (step.name, step.plan, step.answer)
        assert len(other.choices) == len(step.choices)
        assert other.text != step.text and other.question != step.question
    words = yaml.safe_load((FOLDER / f"tour.{code}.yml").read_text(encoding="utf-8"))
    for raw in yaml.safe_load((FOLDER / "tour.yml").read_text(encoding="utf-8")):
        for part in ("text", "reveal"):
            told = sorted(set(NUMBER.findall(words[raw["name"]][part])))
            assert told == sorted(set(NUMBER.findall(raw[part]))), raw["name"]


@pytest.mark.parametrize("code", OTHERS)
def test_a_page_says_its_own_sentences_in_it(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(languages.VARIABLE, code)
    said = "import json; from compress_lib.ui.app import Page; "
    said += "from compress_lib.ui.common import texts; "
    said += "print(json.dumps([texts.RUN, Page().build().get_config_file()], default=str))"
    told = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    run, page = json.loads(told.stdout)
    assert run == languages.translation(code)["RUN"] != texts.RUN
    shown = json.dumps(page)
    assert json.dumps(run) in shown
    for english in (texts.RUN, texts.STOP, texts.FRONTIER_HELP, texts.COPY_LINK, texts.MAP_HELP):
        assert json.dumps(english) not in shown


def test_an_unknown_language_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["app", "--language", "dee"]) == 2
    assert "Did you mean 'de'" in capsys.readouterr().err
    monkeypatch.setenv(languages.VARIABLE, "none")
    with pytest.raises(CompressionError, match=languages.VARIABLE):
        languages.selected_translations()
