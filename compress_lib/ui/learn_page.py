"""Learn tab: a quiz of six questions and a glossary of metrics and terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from compress_lib.plan.plan import Plan
from compress_lib.results.metrics import ERRORS, METRICS
from compress_lib.ui.common import texts
from compress_lib.ui.common.browser import OPEN_LAB, PRIVATE, QUICK, TOUR_TOP, WARNING
from compress_lib.ui.common.html import term_id
from compress_lib.ui.lessons import Step, tour
from compress_lib.utils.translation import translate


@dataclass(frozen=True)
class LearnPanel:
    """Components of the quiz."""

    steps: Any
    text: Any
    guess: Any
    reveal: Any
    answer: Any
    load: Any
    onward: Any

    @property
    def shown(self) -> list[Any]:
        """Components that change with the question."""
        return [self.text, self.guess, self.reveal, self.answer, self.load, self.onward]


def build() -> LearnPanel | None:
    """Build the tab; the quiz is left out if there are no landmarks."""
    steps = tour(texts.LANGUAGE)
    panel = _tour(steps) if steps else None
    gr.Markdown(f"## {texts.GLOSSARY}\n{texts.GLOSSARY_HELP}")
    gr.HTML(glossary(), elem_id="glossary")
    return panel


def _tour(steps: Sequence[Step]) -> LearnPanel:
    gr.Markdown(f"## {texts.TOUR}\n{texts.TOUR_HELP}")
    names = [(f"{number}. {step.title}", step.name) for number, step in enumerate(steps, start=1)]
    chosen = gr.Radio(names, value=steps[0].name, label=texts.TOUR_STEPS, elem_id="tour-steps")
    text = gr.Markdown(_question(steps[0]), elem_id="tour-text")
    guess = gr.Radio(_choices(steps[0]), value=None, label=steps[0].question, elem_id="tour-guess")
    reveal = gr.Button(texts.TOUR_REVEAL, variant="primary", elem_id="tour-reveal")
    answer = gr.Markdown("", visible=False, elem_id="tour-answer")
    with gr.Row(elem_id="tour-after"):
        load = gr.Button(texts.TOUR_LOAD, visible=False, elem_id="tour-load")
        onward = gr.Button(texts.TOUR_ONWARD, visible=False, elem_id="tour-onward")
    return LearnPanel(chosen, text, guess, reveal, answer, load, onward)


def connect(
    panel: LearnPanel, bring: Callable[[Any, Plan], dict[Any, Any]], keys: Any, opened: list[Any]
) -> None:
    """Connect the events of the quiz.

    Args:
        panel: The components of the quiz.
        bring: Loads a plan and its run into the lab, given the keys of the session's runs.
        keys: Component with the keys of the session's runs.
        opened: Components that `bring` changes.
    """
    panel.steps.change(choose, panel.steps, panel.shown, **QUICK)
    revealed = [panel.reveal, panel.answer, panel.load, panel.onward]
    panel.reveal.click(reveal, [panel.steps, panel.guess], revealed, **QUICK)
    panel.onward.click(following, panel.steps, panel.steps, **QUICK).success(
        None, None, None, js=TOUR_TOP, **PRIVATE
    )
    loaded = panel.load.click(
        lambda name, own: bring(own, _find_step(name).plan), [panel.steps, keys], opened, **WARNING
    )
    loaded.success(None, None, None, js=OPEN_LAB, **PRIVATE)


def choose(name: Any) -> list[Any]:
    """Show a question without its answer."""
    step = _find_step(name)
    return [
        _question(step),
        gr.Radio(_choices(step), value=None, label=step.question),
        gr.Button(visible=True),
        gr.Markdown("", visible=False),
        gr.Button(visible=False),
        gr.Button(visible=False),
    ]


def reveal(name: Any, guess: Any) -> list[Any]:
    """Show the answer, or ask for a guess if there is none."""
    step = _find_step(name)
    if not isinstance(guess, int) or not 0 <= guess < len(step.choices):
        hint = gr.Markdown(texts.TOUR_GUESS, visible=True)
        return [gr.Button(visible=True), hint, gr.skip(), gr.skip()]
    verdict = texts.TOUR_RIGHT if guess == step.answer else texts.TOUR_WRONG
    heading = verdict.format(answer=step.choices[step.answer])
    explanation = f"**{heading}** {step.reveal}"
    return [
        gr.Button(visible=False),
        gr.Markdown(explanation, visible=True),
        gr.Button(visible=True),
        gr.Button(visible=following(name) != step.name),
    ]


def following(name: Any) -> str:
    """Return the name of the next question, or of the last one if there is none."""
    names = [step.name for step in tour(texts.LANGUAGE)]
    after = names.index(_find_step(name).name) + 1
    return names[min(after, len(names) - 1)]


def glossary() -> str:
    """Return the definitions of all metrics and terms as HTML, sorted by name."""
    rows = [
        (
            translate(metric.label),
            translate(metric.meaning)
            + f" {texts.LOWER if metric.lower_is_better else texts.HIGHER}",
        )
        for metric in {**METRICS, **ERRORS}.values()
    ]
    rows += [(term, meaning) for term, meaning in texts.TERMS.items()]
    items = "".join(
        f'<dt id="{escape(term_id(term), quote=True)}" tabindex="-1">{escape(term)}</dt>'
        f"<dd>{escape(meaning)}</dd>"
        for term, meaning in sorted(rows, key=lambda row: row[0].lower())
    )
    return f'<dl class="glossary">{items}</dl>'


def _question(step: Step) -> str:
    return f"### {step.title}\n\n{step.text}"


def _choices(step: Step) -> list[tuple[str, int]]:
    return [(label, index) for index, label in enumerate(step.choices)]


def _find_step(name: Any) -> Step:
    """Return a question by name; the first one if the name is unknown."""
    steps = tour(texts.LANGUAGE)
    return next((step for step in steps if step.name == name), steps[0])
