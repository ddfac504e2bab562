"""A tour that asks for a guess before it reveals; its numbers are those of landmark runs.

Knows no torch and no page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from compress_lib.errors import CompressionError
from compress_lib.plan.plan import Plan
from compress_lib.plan.query_string import from_query
from compress_lib.results.landmarks import landmarks_by_name
from compress_lib.results.metrics import METRICS
from compress_lib.results.records import RunRecord
from compress_lib.utils.paths import ASSETS

FOLDER = ASSETS / "lessons"

NUMBER = re.compile(r"\[\[([^\]:]+): (\w+)\]\]")
"""`[[landmark: metric]]` in a lesson's text."""


@dataclass(frozen=True)
class Step:
    """One step: something to know, a question, and what is really so.

    Attributes:
        name: Names it in code.
        title: What people read above.
        text: Markdown, its numbers filled in.
        question: What is to be guessed.
        choices: The possible answers.
        answer: Which of them is right, found out from the landmarks.
        reveal: Markdown, shown after the guess.
        plan: What the step loads into the lab.
    """

    name: str
    title: str
    text: str
    question: str
    choices: tuple[str, ...]
    answer: int
    reveal: str
    plan: Plan


@cache
def tour(language: str = "en") -> tuple[Step, ...]:
    """Return the steps that can be told with the landmarks there are.

    Args:
        language: Code of the language; in English where nobody has translated the tour.
    """
    known, words = landmarks_by_name(), _read(f"tour.{language}.yml") or {}
    steps = (_translate(raw, words.get(raw["name"])) for raw in _read("tour.yml") or [])
    return tuple(_step(raw, known) for raw in steps) if known else ()


def _read(name: str) -> Any:
    file = FOLDER / name
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None


def _translate(raw: Mapping[str, Any], words: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a step in other words; what its choices stand for stays."""
    if words is None:
        return raw
    pairs = zip(raw["choices"], words["choices"], strict=True)
    return {**raw, **words, "choices": [{**choice, "label": label} for choice, label in pairs]}


def _step(raw: Mapping[str, Any], known: Mapping[str, RunRecord]) -> Step:
    return Step(
        name=raw["name"],
        title=raw["title"],
        text=_fill(raw["text"], known),
        question=raw["question"],
        choices=tuple(choice["label"] for choice in raw["choices"]),
        answer=_answer(raw, known),
        reveal=_fill(raw["reveal"], known),
        plan=from_query(raw["plan"]),
    )


def _answer(raw: Mapping[str, Any], known: Mapping[str, RunRecord]) -> int:
    """Return the right choice: the run with the best metric, or the number nearest to the truth.

    Where all runs lie within a ratio, the choice that says so is right, if there is one.
    """
    choices = raw["choices"]
    if "best" in raw:
        runs = [choice["run"] for choice in choices if "run" in choice]
        values = [_value(run, raw["best"], known) for run in runs]
        for index, choice in enumerate(choices):
            if max(values) / min(values) <= choice.get("within", 0):
                return index
        wanted = min if METRICS[raw["best"]].lower_is_better else max
        best = runs[values.index(wanted(values))]
        return [choice.get("run") for choice in choices].index(best)
    aim = raw["nearest"]
    truth = aim["number"] if "number" in aim else _value(aim["run"], aim["metric"], known)
    # Costs are compared by their ratio: 500 is nearer to 200 than to 5000.
    distances = [abs(math.log(choice["value"] / truth)) for choice in choices]
    return distances.index(min(distances))


def _fill(text: str, known: Mapping[str, RunRecord]) -> str:
    def number(found: re.Match[str]) -> str:
        value = _value(found[1], found[2], known)
        return METRICS[found[2]].number(value)

    return NUMBER.sub(number, text).strip()


def _value(run: str, metric: str, known: Mapping[str, RunRecord]) -> float:
    if run not in known:
        raise CompressionError(f"The tour speaks of the landmark {run!r}, which was not measured.")
    value = known[run].metrics().get(metric)
    if value is None:
        raise CompressionError(f"The landmark {run!r} has no {metric}.")
    return value
