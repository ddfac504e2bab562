"""Quiz of the Learn tab; its numbers come from the precomputed (landmark) runs."""

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
"""Placeholder `[[landmark: metric]]` in the text of a question."""


@dataclass(frozen=True)
class Step:
    """A quiz question with its introduction and explanation.

    Attributes:
        name: Identifier.
        title: Heading.
        text: Introduction in Markdown, with its numbers filled in.
        question: The question.
        choices: The possible answers.
        answer: Index of the correct choice, computed from the landmarks.
        reveal: Explanation in Markdown, shown after the guess.
        plan: Plan that the question loads into the lab.
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
    """Return the questions of the tour; empty if there are no landmarks.

    Args:
        language: Code of the language; falls back to English if there is no translation.
    """
    landmarks, translations = landmarks_by_name(), _read(f"tour.{language}.yml") or {}
    steps = (_translate(raw, translations.get(raw["name"])) for raw in _read("tour.yml") or [])
    return tuple(_step(raw, landmarks) for raw in steps) if landmarks else ()


def _read(name: str) -> Any:
    file = FOLDER / name
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None


def _translate(raw: Mapping[str, Any], words: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a question with translated texts; the values of its choices stay."""
    if words is None:
        return raw
    pairs = zip(raw["choices"], words["choices"], strict=True)
    return {**raw, **words, "choices": [{**choice, "label": label} for choice, label in pairs]}


def _step(raw: Mapping[str, Any], landmarks: Mapping[str, RunRecord]) -> Step:
    return Step(
        name=raw["name"],
        title=raw["title"],
        text=_fill(raw["text"], landmarks),
        question=raw["question"],
        choices=tuple(choice["label"] for choice in raw["choices"]),
        answer=_answer(raw, landmarks),
        reveal=_fill(raw["reveal"], landmarks),
        plan=from_query(raw["plan"]),
    )


def _answer(raw: Mapping[str, Any], landmarks: Mapping[str, RunRecord]) -> int:
    """Return the index of the correct choice.

    That is the run with the best metric, or the number nearest to the measured one. If all runs
    lie within the ratio `within` of a choice, this choice is correct.
    """
    choices = raw["choices"]
    if "best" in raw:
        runs = [choice["run"] for choice in choices if "run" in choice]
        values = [_value(run, raw["best"], landmarks) for run in runs]
        for index, choice in enumerate(choices):
            if max(values) / min(values) <= choice.get("within", 0):
                return index
        wanted = min if METRICS[raw["best"]].lower_is_better else max
        best = runs[values.index(wanted(values))]
        return [choice.get("run") for choice in choices].index(best)
    aim = raw["nearest"]
    truth = aim["number"] if "number" in aim else _value(aim["run"], aim["metric"], landmarks)
    # Distances are ratios: 500 is nearer to 200 than to 5000.
    distances = [abs(math.log(choice["value"] / truth)) for choice in choices]
    return distances.index(min(distances))


def _fill(text: str, landmarks: Mapping[str, RunRecord]) -> str:
    def number(found: re.Match[str]) -> str:
        value = _value(found[1], found[2], landmarks)
        return METRICS[found[2]].number(value)

    return NUMBER.sub(number, text).strip()


def _value(run: str, metric: str, landmarks: Mapping[str, RunRecord]) -> float:
    if run not in landmarks:
        raise CompressionError(f"The tour refers to the landmark {run!r}, which does not exist.")
    value = landmarks[run].metrics().get(metric)
    if value is None:
        raise CompressionError(f"The landmark {run!r} has no value for the metric {metric!r}.")
    return value
