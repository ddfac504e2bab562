"""What both models make of a plan's prompts: they continue them, or fill in what is hidden."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from compress_lib.evaluation.fill_mask import fill_both
from compress_lib.evaluation.generation import write_both
from compress_lib.models.loading import LanguageModel
from compress_lib.plan.plan import Plan
from compress_lib.results.text_record import FillRecord, TextRecord
from compress_lib.runs.events import Event, MaskFilled, TextWritten
from compress_lib.utils.progress import Progress

WritingListener = Callable[[str, str, str], None]
"""Called with a prompt, `baseline` or `compressed`, and that model's text so far."""


@dataclass(frozen=True)
class Answers:
    """What both models made of the prompts; one of the two is empty."""

    texts: list[TextRecord] = field(default_factory=list)
    fills: list[FillRecord] = field(default_factory=list)


def answer(
    model: LanguageModel,
    compressed: LanguageModel,
    plan: Plan,
    progress: Progress,
    writing: WritingListener,
) -> Generator[Event, None, Answers]:
    """Give every prompt of a plan to both models.

    Args:
        model: The original.
        compressed: The compressed model.
        plan: Its prompts, and how causal models continue them.
        progress: Told about every token and every mask; may raise `StoppedError`.
        writing: Told about text while it is written; may raise `StoppedError`.

    Yields:
        One event a prompt.

    Raises:
        CompressionError: A prompt cannot be used.
    """
    if model.kind == "masked":
        return (yield from _fill(model, compressed, plan, progress))
    return (yield from _write(model, compressed, plan, progress, writing))


def _fill(
    model: LanguageModel, compressed: LanguageModel, plan: Plan, progress: Progress
) -> Generator[Event, None, Answers]:
    done = Answers()
    for index, prompt in enumerate(plan.prompts):
        progress(index / len(plan.prompts), "Both models fill in the mask")
        done.fills.append(fill_both(model, compressed, prompt))
        yield MaskFilled(1.0, "Both models filled in the mask", done.fills[-1])
    return done


def _write(
    model: LanguageModel,
    compressed: LanguageModel,
    plan: Plan,
    progress: Progress,
    writing: WritingListener,
) -> Generator[Event, None, Answers]:
    done = Answers()
    steps, total = 0, 2 * plan.generation.max_new_tokens * len(plan.prompts)
    for prompt in plan.prompts:

        def listen(which: str, text: str, prompt: str = prompt) -> None:
            nonlocal steps
            steps += 1
            progress(steps / total, "Both models write")
            writing(prompt, which, text)

        progress(steps / total, "Both models write")
        done.texts.append(
            write_both(model, compressed, prompt, plan.generation, seed=plan.seed, listener=listen)
        )
        yield TextWritten(1.0, "Both models wrote", done.texts[-1])
    return done
