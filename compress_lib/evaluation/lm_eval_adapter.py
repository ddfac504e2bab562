"""Adapter for lm_eval: one model's task scores, without log output and side effects.

lm_eval is an optional extra, imported only when tasks are run.
"""

from __future__ import annotations

import copy
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from compress_lib.utils.progress import Event, Report

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel

BATCH = 8
"""Batch size in answers."""


@dataclass(frozen=True)
class Score:
    """A metric's value, and its standard error over items if it is their mean."""

    value: float
    stderr: float | None


def scores(
    model: LanguageModel, tasks: dict[str, Any], limit: int | None, report: Report
) -> dict[tuple[str, str], Score]:
    """Evaluate one model on tasks, zero-shot.

    Args:
        model: The model.
        tasks: lm_eval's task objects by name, with their data.
        limit: Maximum items per task; all if None.
        report: Receives progress events; may raise `StoppedError`.

    Returns:
        Scores by task and metric, in order.
    """
    from lm_eval import evaluate

    report(Event(0.0, "Measuring tasks"))
    with quiet():
        for task in tasks.values():
            task.set_config(key="num_fewshot", value=0)
            _hush(task)
        # `simple_evaluate` would also set the process's random seeds, call git in the working
        # directory, and collect system information.
        results: Any = evaluate(
            lm=_wrap(model, report),
            task_dict={"tasks": tasks},
            limit=limit,
            # lm_eval's bootstrap writes to stdout and starts processes; `_score` replaces it.
            bootstrap_iters=0,
        )
    result: dict[tuple[str, str], Score] = {}
    for name in tasks:
        for key, value in results["results"][name].items():
            metric, comma, filtered = key.partition(",")
            if comma and not metric.endswith("_stderr") and isinstance(value, int | float):
                label = metric if filtered == "none" else f"{metric} ({filtered})"
                items = [item for item in results["samples"][name] if item["filter"] == filtered]
                result[name, label] = _score(
                    float(value), [i[metric] for i in items if metric in i]
                )
    return result


def _score(value: float, items: Sequence[Any]) -> Score:
    """Return a value with its standard error, if it is the mean of its items."""
    numbers = [float(item) for item in items if isinstance(item, int | float)]
    mean = len(numbers) == len(items) > 1 and abs(fmean(numbers) - value) <= 1e-9 * abs(value)
    return Score(value, stdev(numbers) / len(numbers) ** 0.5 if mean else None)


def _wrap(model: LanguageModel, report: Report) -> Any:
    """Wrap a model in lm_eval's interface, with progress events."""
    from lm_eval.models.huggingface import HFLM

    class Reporting(HFLM):  # type: ignore[misc]
        done = total = 0

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
            self.done, self.total = 0, max(len(requests), 1)
            return super().loglikelihood(requests, disable_tqdm=True)

        def _model_call(self, inps: Any, *more: Any, **named: Any) -> Any:
            report(Event(self.done / self.total, "Measuring tasks"))
            self.done += len(inps)
            return super()._model_call(inps, *more, **named)

    # HFLM sets a padding token, which must not change our tokenizer.
    tokenizer = copy.deepcopy(model.tokenizer)
    return Reporting(model.module, backend="causal", tokenizer=tokenizer, batch_size=BATCH)


def _hush(task: Any) -> None:
    """Suppress a task's progress bar while it builds its requests."""
    if not isinstance(task.build_all_requests, partial):
        task.build_all_requests = partial(_build_silently, task.build_all_requests)


def _build_silently(build: Any, **options: Any) -> None:
    with redirect_stderr(io.StringIO()):
        build(**options)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress log messages of lm_eval and progress bars of downloads."""
    import datasets

    logs = [logging.getLogger(name) for name in ("lm_eval", "huggingface_hub")]
    levels, bars = [log.level for log in logs], datasets.is_progress_bar_enabled()
    for log in logs:
        log.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
        if bars:
            datasets.enable_progress_bars()
